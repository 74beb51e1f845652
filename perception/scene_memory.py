"""What a multi-view model knows of the scene before a moving camera."""

from __future__ import annotations

import numpy as np

from datasets.camera import motion_between
from datasets.viewpoints import clevr_viewpoints, pose_viewpoints
from lds_models.mulmon import MulMON
from lds_models.weights import WeightsError
from perception.runtime import Known, ViewRuntime

MIN_MOTION = 0.12, np.deg2rad(25)  # metres or radians that the camera must have moved for a view to be fused
MOST_VIEWS = 5  # are fused: models are trained with few, and lose with more what they had gained
CHANGED_FRAMES = 5  # that fit badly, one after another, after which the scene is taken for another one
CHANGED_ERROR = 2.0  # times the usual error that a frame fits badly from
SETTLED_VIEWS = 3  # before that many were fused, a bad fit is no wonder


class SceneMemory:
    """Fuses views of a scene that stands still, and tells its slots in any view.

    A view is fused where the camera has moved since the last one, until there are enough; other frames cost one
    rendering. Where the picture no longer fits what is known, the scene has changed, and is learned anew.

    Attributes:
        views: how many were fused.
        runtime: of the model; may be changed for another one of the same model.

    Args:
        usual_error: mean squared error of a view that fits; see `perception.suitability.usual_error`. None: a changed
            scene is not noticed.

    Raises:
        WeightsError: the model takes viewpoints that a live camera does not have.
    """

    def __init__(self, model: MulMON, runtime: ViewRuntime, usual_error: float | None = None) -> None:
        if model.viewpoint_kind not in ("clevr", "pose"):
            raise WeightsError(f"a model of viewpoints '{model.viewpoint_kind}' cannot see through a live camera")
        self._kind, self._usual = model.viewpoint_kind, usual_error
        self.runtime = runtime
        self.reset()

    def reset(self) -> None:
        """Forget the scene."""
        self.views = 0
        self._known: Known | None = None
        self._last_pose: np.ndarray | None = None
        self._distances: list[float] = []
        self._misfits = 0

    @property
    def description(self) -> str:
        """What computes."""
        return self.runtime.description

    def __call__(self, image: np.ndarray, T_world_camera: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Slots of an image float32 [3,size,size] in [0,1], as SlotRuntime gives them: masks and latents.

        Raises:
            ValueError: the pose is missing.
        """
        if T_world_camera is None:
            raise ValueError("a multi-view model needs the camera's pose with each image")
        if self._is_wanted(T_world_camera):
            self._fuse(image, T_world_camera)
        masks, drawn = self._explain(image, T_world_camera)
        if self._has_changed(drawn, image):
            self.reset()
            self._fuse(image, T_world_camera)
            masks, _ = self._explain(image, T_world_camera)
        return masks, self.latents

    @property
    def latents(self) -> np.ndarray:
        """Of the slots, float32 [K,D]. ValueError where nothing has been seen yet."""
        if self._known is None:
            raise ValueError("nothing has been seen of the scene yet: are images and poses there?")
        return self._known.mean

    def view_from(self, T_world_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The scene from where the camera need not be: its slots' masks [K,size,size], and its picture [3,size,size].

        Raises:
            ValueError: nothing has been seen yet.
        """
        return self.runtime.render(self.latents, self._viewpoint(T_world_camera, self._distances))

    def _explain(self, image: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.runtime.explain(image, self.latents, self._viewpoint(pose, self._distances))

    def _is_wanted(self, pose: np.ndarray) -> bool:
        if self._last_pose is None:
            return True
        if self.views >= MOST_VIEWS:
            return False
        metres, radians = motion_between(self._last_pose, pose)
        return metres >= MIN_MOTION[0] or radians >= MIN_MOTION[1]

    def _fuse(self, image: np.ndarray, pose: np.ndarray) -> None:
        distances = [*self._distances, float(np.linalg.norm(pose[:3, 3]))]
        self._known = self.runtime.fuse(image, self._viewpoint(pose, distances), self._known)
        self._distances, self._last_pose, self.views = distances, pose, self.views + 1

    def _has_changed(self, drawn: np.ndarray, image: np.ndarray) -> bool:
        if self._usual is None or self.views < SETTLED_VIEWS:
            return False
        error = float(np.square(drawn - image).mean())
        self._misfits = self._misfits + 1 if error > CHANGED_ERROR * self._usual else 0
        return self._misfits >= CHANGED_FRAMES

    def _viewpoint(self, pose: np.ndarray, distances: list[float]) -> np.ndarray:
        """[Dv], given the distances to the world's origin that views were fused from."""
        if self._kind == "clevr":
            return clevr_viewpoints(pose[None])[0]
        return pose_viewpoints(pose[None], float(np.mean(distances)))[0]
