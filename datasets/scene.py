"""The one in-memory form that every loader yields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.viewpoints import clevr_viewpoints, pose_viewpoints

MAX_ID = 254  # of an object in a mask: masks are uint8, and 0 is background


class DatasetError(ValueError):
    """A dataset, scene or file is bad. The message names the file, what is wrong and what to do."""

    exit_code = 1  # of the command that stumbles over it


def refuse_nan(name: str, array: np.ndarray) -> None:
    """Raises DatasetError where an array holds NaN or infinite values."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DatasetError(f"'{name}' holds NaN or infinite values; export the scene again")


@dataclass(frozen=True)
class Scene:
    """A static scene seen from V viewpoints, with N objects.

    Attributes:
        name: where the scene came from (a file's stem), used in messages and reports.
        images: uint8 [V,H,W,3], RGB.
        T_world_camera: float64 [V,4,4], camera to world, OpenCV optical frame (x right, y down, z forward), metres.
        K: float64 [V,3,3], pinhole intrinsics in pixels; the centre of the top-left pixel is (0, 0).
        distortion: float64 [V,5] or [5], OpenCV order (k1 k2 p1 p2 k3).
        masks: uint8 [V,H,W] instance ids. An object has the same id in every view: object i of `objects` has id i + 1.
            0 is background.
        amodal_masks: bool [V,N,H,W], whole silhouettes, in the order of `objects`.
        depth: float32 [V,H,W], metres along the optical axis; 0 where unknown.
        stamps: float64 [V], seconds.
        objects: N dictionaries; `position` (world, metres) where it is known.
        meta: free-form facts about the scene (dataset kind, seed, robot, camera, ...).
    """

    name: str
    images: np.ndarray
    T_world_camera: np.ndarray | None = None
    K: np.ndarray | None = None
    distortion: np.ndarray | None = None
    masks: np.ndarray | None = None
    amodal_masks: np.ndarray | None = None
    depth: np.ndarray | None = None
    stamps: np.ndarray | None = None
    objects: list[dict[str, Any]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[-1] != 3 or self.images.dtype != np.uint8:
            raise DatasetError(
                f"{self.name}: images must be uint8 [V,H,W,3], got {self.images.dtype} {list(self.images.shape)}"
            )
        if 0 in self.images.shape:
            raise DatasetError(f"{self.name}: images are empty: {list(self.images.shape)}")
        views, height, width, _ = self.images.shape
        self._expect("T_world_camera", np.float64, (views, 4, 4))
        self._expect("K", np.float64, (views, 3, 3))
        self._expect("masks", np.uint8, (views, height, width))
        self._expect("depth", np.float32, (views, height, width))
        self._expect("stamps", np.float64, (views,))
        if self.amodal_masks is not None:
            objects = self.amodal_masks.shape[1] if self.amodal_masks.ndim == 4 else len(self.objects)
            self._expect("amodal_masks", np.bool_, (views, objects, height, width))
        if self.distortion is not None:
            self._expect("distortion", np.float64, (views, 5) if self.distortion.ndim == 2 else (5,))
        for key in ("T_world_camera", "K", "distortion", "depth", "stamps"):
            value = getattr(self, key)
            if value is not None and not np.isfinite(value).all():
                raise DatasetError(f"{self.name}: {key} holds NaN or infinite values; record or export the scene again")

    def _expect(self, key: str, dtype: type, shape: tuple[int, ...]) -> None:
        value = getattr(self, key)
        if value is not None and (value.dtype != dtype or value.shape != shape):
            raise DatasetError(
                f"{self.name}: {key} must be {np.dtype(dtype).name} {list(shape)} to match the images, "
                f"got {value.dtype} {list(value.shape)}"
            )

    def _known(self, key: str) -> np.ndarray:
        value: np.ndarray | None = getattr(self, key)
        if value is None:
            raise DatasetError(f"{self.name}: has no {key}, which is needed here")
        return value

    @property
    def known_poses(self) -> np.ndarray:
        """`T_world_camera`, where the scene must have it. Raises DatasetError where it has none; so do those below."""
        return self._known("T_world_camera")

    @property
    def known_K(self) -> np.ndarray:
        return self._known("K")

    @property
    def known_masks(self) -> np.ndarray:
        return self._known("masks")

    @property
    def known_depth(self) -> np.ndarray:
        return self._known("depth")

    @property
    def known_amodal_masks(self) -> np.ndarray:
        return self._known("amodal_masks")

    @property
    def num_views(self) -> int:
        return self.images.shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.images.shape[1], self.images.shape[2]

    @property
    def num_objects(self) -> int:
        """How many objects the scene holds, the background not counted."""
        return len(self.objects) if self.objects else int(self.masks.max()) if self.masks is not None else 0

    def object_name(self, i: int) -> str:
        """What object `i` is, in words: `red rubber cube` where that is known, else its number."""
        known = self.objects[i] if i < len(self.objects) else {}
        words = [known[key] for key in ("color", "material", "shape") if isinstance(known.get(key), str)]
        return " ".join(words) or f"object {i + 1}"

    def distortion_of(self, view: int) -> np.ndarray | None:
        """The lens distortion [5] of a view; None where it is not known."""
        return self.distortion[view] if self.distortion is not None and self.distortion.ndim == 2 else self.distortion

    @property
    def viewpoint_kinds(self) -> tuple[str, ...]:
        """The kinds of `viewpoints` that this scene has."""
        of_poses = () if self.T_world_camera is None else ("clevr", "pose")
        return (*of_poses, "gqn") if "gqn_viewpoints" in self.meta else of_poses

    def viewpoints(self, kind: str) -> np.ndarray:
        """The conditioning that multi-view models take, float32 [V,Dv].

        Args:
            kind: `clevr`: the camera's azimuth in the world, as MulMON takes CLE-MV's; Dv 3. `pose`: camera position in
                units of its mean distance from the world's origin over the views, then the unit vectors forward and
                up of the image, since an arm rolls its camera as well; Dv 9. `gqn`: position and angles as the GQN
                datasets tell them, in `meta`; Dv 7, see gqn_jaco.py.

        Raises:
            DatasetError: the scene has no poses, or `kind` is unknown.
        """
        if kind not in ("clevr", "pose", "gqn"):
            raise DatasetError(f"unknown kind of viewpoints '{kind}'; choose clevr, pose or gqn")
        if kind not in self.viewpoint_kinds:
            needed = "those of the GQN datasets" if kind == "gqn" else "camera poses"
            raise DatasetError(f"{self.name}: viewpoints need {needed}, and this scene has none")
        if kind == "gqn":
            return self._gqn_viewpoints()
        if kind == "clevr":
            return clevr_viewpoints(self.known_poses)
        distances = np.linalg.norm(self.known_poses[:, :3, 3], axis=1)
        return pose_viewpoints(self.known_poses, float(distances.mean()))

    def _gqn_viewpoints(self) -> np.ndarray:
        try:
            viewpoints = np.array(self.meta["gqn_viewpoints"], np.float32)
        except (TypeError, ValueError):
            viewpoints = np.array(None, np.float32)
        if viewpoints.shape != (self.num_views, 7) or not np.isfinite(viewpoints).all():
            raise DatasetError(f"{self.name}: gqn_viewpoints must be seven finite numbers for each view")
        return viewpoints
