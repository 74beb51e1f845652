"""Metric places of segmented objects: by depth where there is some, else by the camera's poses over several views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from datasets.table_plane import pixel_rays
from perception.geometry import NoTable, Placement, place_objects
from perception.segmentation import ObjectSegment, Region, Segmentation
from perception.stamped import Stamped
from perception.view_rays import ViewRays

DEPTH_TOLERANCE = 0.02  # seconds between the stamps of an image and its depth
DEPTH_PATIENCE = 0.1  # seconds that an image waits for its depth


@dataclass(frozen=True)
class Lens:
    """K [3,3] and distortion [5] (OpenCV's order) of a camera, for images of `size` (height, width)."""

    K: np.ndarray
    distortion: np.ndarray
    size: tuple[int, int]


@dataclass(frozen=True)
class Depth:
    """A depth image that came.

    Attributes:
        frame: of tf that it is in; empty: not told.
        read: gives it, float32 [H,W], metres, 0 where unknown. Raises ValueError where it does not do.
    """

    frame: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Places:
    """By object ids, in the camera's optical frame, metres.

    Attributes:
        boxes: of objects that depth shows.
        positions: float64 [3], centres of objects without a box that were seen from several sides.
        depth_problem: why depth, which is there, places nothing; else empty.
    """

    boxes: Mapping[int, Placement] = field(default_factory=dict)
    positions: Mapping[int, np.ndarray] = field(default_factory=dict)
    depth_problem: str = ""


NOWHERE = Places()


class Placer:
    """Collects a camera's lens, depth and poses, and places what is segmented in its images.

    Attributes:
        lens: None until one is known.
        depth: by their stamps, in seconds.
    """

    def __init__(self) -> None:
        self.lens: Lens | None = None
        self.depth: Stamped[Depth] = Stamped()
        self._rays = ViewRays()

    def place(
        self, segmentation: Segmentation, stamp: float, T_world_camera: np.ndarray | None, frame: str = ""
    ) -> Places:
        """The places of tracked objects in an image of this stamp, in seconds; nothing without a lens.

        Args:
            frame: of tf that the image is in; empty: not told.

        Raises:
            ValueError: image, lens and depth are not of one size, or image and depth not in one frame.
        """
        if self.lens is None:
            return NOWHERE
        shape = segmentation.labels.shape
        if shape != self.lens.size:
            sizes = [f"{width} x {height}" for height, width in (self.lens.size, shape)]
            raise ValueError(f"camera_info is of {sizes[0]} pixels, the image of {sizes[1]}")
        boxes, depth_problem = self._boxes(segmentation, self.lens, stamp, frame)
        if T_world_camera is None:
            return Places(boxes, depth_problem=depth_problem)
        self._rays.see(self._directions(segmentation, self.lens), T_world_camera)
        shown = {segment.id for segment in segmentation.objects} - set(boxes)
        in_camera = {
            id_: (position - T_world_camera[:3, 3]) @ T_world_camera[:3, :3]
            for id_, position in self._rays.positions.items()
            if id_ in shown
        }
        return Places(boxes, in_camera, depth_problem)

    def _boxes(
        self, segmentation: Segmentation, lens: Lens, stamp: float, frame: str
    ) -> tuple[Mapping[int, Placement], str]:
        """What depth places, and why it places nothing; neither where none ever came."""
        depth = self.depth.near(stamp, DEPTH_TOLERANCE, DEPTH_PATIENCE)
        if depth is None:
            return {}, _out_of_step(self.depth.offsets(stamp))
        if frame and depth.frame and frame.strip("/") != depth.frame.strip("/"):
            raise ValueError(
                f"depth is in the frame {depth.frame}, the image in {frame}: it must be aligned to the colour image"
            )
        try:
            return place_objects(segmentation.labels, depth.read(), lens.K, lens.distortion), ""
        except NoTable as error:
            return {}, str(error)

    @staticmethod
    def _directions(segmentation: Segmentation, lens: Lens) -> dict[int, np.ndarray]:
        """Towards the middle of each object that is seen whole."""
        whole = [segment for segment in segmentation.objects if not _is_cut(segment, segmentation.seen)]
        rays = pixel_rays(np.array([segment.centroid for segment in whole]).reshape(-1, 2), lens.K, lens.distortion)
        return {segment.id: ray for segment, ray in zip(whole, rays, strict=True)}


def _out_of_step(offsets: Sequence[float]) -> str:
    """Why none of the depth images belongs to an image, by how much later than it they are stamped, seconds."""
    if not offsets:
        return ""
    if (newest := max(offsets)) < -DEPTH_TOLERANCE:
        return (
            f"the newest depth is stamped {-1e3 * newest:.0f} ms before the image, which waited "
            f"{1e3 * DEPTH_PATIENCE:.0f} ms for it: depth comes too late, or no more"
        )
    nearest = min(offsets, key=abs)
    return f"depth is stamped {1e3 * nearest:+.0f} ms from the image: let the driver synchronise (enable_sync)"


def _is_cut(segment: ObjectSegment, seen: Region) -> bool:
    """Whether an object reaches the border of what the model saw."""
    x, y, w, h = segment.box
    return x <= seen.x or y <= seen.y or x + w >= seen.x + seen.width or y + h >= seen.y + seen.height
