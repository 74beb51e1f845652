"""What calibration asks of poses, float64 [4,4]: how far apart they are, their mean, and where the board is seen."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from capture.calibration.board import Detection
from capture.cameras.camera import Intrinsics
from datasets.camera import motion_between, rigid


def difference(T: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """How far two poses are apart: degrees, and millimetres between their origins."""
    distance, angle = motion_between(T, other)
    return float(np.rad2deg(angle)), 1000 * distance


def mean_pose(poses: np.ndarray) -> np.ndarray:
    """Of N poses [N,4,4] that lie near one another: the chordal mean of the rotations, the mean of the origins."""
    return rigid(Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix(), poses[:, :3, 3].mean(0))


def board_pose(detection: Detection, lens: Intrinsics) -> np.ndarray:
    """T_camera_board that brings the board's corners onto those seen; the detection must be usable."""
    points, corners = detection.object_points, detection.corners
    _, rotation, translation = cv2.solvePnP(points, corners, lens.K, lens.distortion, flags=cv2.SOLVEPNP_IPPE)
    rotation, translation = cv2.solvePnPRefineLM(points, corners, lens.K, lens.distortion, rotation, translation)
    return rigid(cv2.Rodrigues(rotation)[0], translation[:, 0])


def board_residuals(detection: Detection, lens: Intrinsics) -> np.ndarray:
    """How far the corners of a picture lie from where the board's best pose puts them, float64 [N,2], pixels."""
    return project(board_pose(detection, lens), detection.object_points, lens) - detection.corners


def project(T_camera_board: np.ndarray, points: np.ndarray, lens: Intrinsics) -> np.ndarray:
    """Where points [N,3] of the board appear, float64 [N,2], pixels; also behind the camera, where a fit may stray."""
    rotation, _ = cv2.Rodrigues(T_camera_board[:3, :3])
    return cv2.projectPoints(points, rotation, T_camera_board[:3, 3], lens.K, lens.distortion)[0][:, 0]
