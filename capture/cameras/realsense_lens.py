"""What a RealSense says of its lens, in OpenCV's terms."""

from __future__ import annotations

import numpy as np
import pyrealsense2 as rs

from capture.cameras.camera import Intrinsics
from capture.errors import CameraError

SAME = 0.1  # pixels by which OpenCV's model may differ from the camera's own anywhere in the image


def intrinsics_from_realsense(lens: rs.intrinsics) -> Intrinsics:
    """K and distortion of a stream. Both libraries put (0, 0) at the centre of the top-left pixel.

    Their `brown_conrady` is OpenCV's own model, term by term. `inverse_brown_conrady` and `modified_brown_conrady` are
    projected by librealsense (rs2_project_point_to_pixel) with the tangential terms taken after the radial ones, which
    OpenCV does not do: these, and any other model, are expressed by the five terms that come closest.

    Raises:
        CameraError: five terms do not express it to a tenth of a pixel (a fisheye lens).
    """
    K = np.array([[lens.fx, 0, lens.ppx], [0, lens.fy, lens.ppy], [0, 0, 1]])
    if lens.model in (rs.distortion.none, rs.distortion.brown_conrady):
        distortion = np.array(lens.coeffs, np.float64)
    else:
        distortion = _closest_distortion(lens)
    return Intrinsics(K, distortion, lens.width, lens.height)


def _closest_distortion(lens: rs.intrinsics) -> np.ndarray:
    """The (k1 k2 p1 p2 k3) whose projection is nearest to the camera's own over the image, by least squares.

    Brown (1966), as in OpenCV: x' = x (1 + k1 r2 + k2 r4 + k3 r6) + 2 p1 x y + p2 (r2 + 2 x2), and y' likewise: linear
    in the five terms.
    """
    columns, rows = np.meshgrid(np.linspace(0, lens.width - 1, 25), np.linspace(0, lens.height - 1, 19))
    x, y = ((columns - lens.ppx) / lens.fx).ravel(), ((rows - lens.ppy) / lens.fy).ravel()
    seen = np.array([rs.rs2_project_point_to_pixel(lens, [*point, 1.0]) for point in zip(x, y, strict=True)])
    r2 = x**2 + y**2
    along_x = np.stack([x * r2, x * r2**2, 2 * x * y, r2 + 2 * x**2, x * r2**3], axis=1) * lens.fx
    along_y = np.stack([y * r2, y * r2**2, r2 + 2 * y**2, 2 * x * y, y * r2**3], axis=1) * lens.fy
    terms = np.concatenate([along_x, along_y])
    shift = np.concatenate([seen[:, 0] - columns.ravel(), seen[:, 1] - rows.ravel()])
    error = np.inf
    if np.all(np.isfinite(shift)):
        distortion = np.linalg.lstsq(terms, shift, rcond=None)[0]
        error = np.abs(terms @ distortion - shift).max()
    if error > SAME:
        raise CameraError(
            f"the lens model {lens.model.name} of this RealSense, with {list(lens.coeffs)}, differs by {error:.1f} "
            "pixels from any that OpenCV's five terms express: use a camera without a fisheye lens"
        )
    return distortion
