"""One view, taken where the camera is: wait for rest, take a frame from after it, judge it, find its pose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from capture.arms.arm import Arm, pause
from capture.cameras.camera import Camera, Intrinsics
from capture.errors import CameraError, CameraLost, CameraSilent, CaptureError, MotionError, PoseError
from capture.picture_at_rest import PictureAtRest
from capture.quality import QualityCheck
from capture.storage.recorded_view import RecordedView
from datasets.camera import motion_between


class ViewRejected(CaptureError):
    """No frame at this viewpoint was good enough. The message says why."""


@dataclass(frozen=True)
class ViewLimits:
    """How long a view may take, in seconds, and how often it is tried.

    Attributes:
        attempts: frames that are judged before the view is given up.
        pause: between two of them.
        rest: for the arm to come to rest.
        frame: for a frame to come.
        usual_lag, lag: for the picture to come to rest after the arm has: what is not worth a word, and how late a
            camera may be at most.
        drift: metres and radians that the camera may move from one frame to the next.
    """

    attempts: int = 4
    pause: float = 0.2
    rest: float = 4.0
    frame: float = 2.0
    usual_lag: float = 0.25
    lag: float = 2.0
    drift: tuple[float, float] = (5e-4, 1e-3)


class ViewTaker:
    """Takes views with a camera on an arm.

    Args:
        T_world_base, T_tool_camera: float64 [4,4], where the arm stands, and where on its mount the camera sits.
    """

    def __init__(
        self, arm: Arm, camera: Camera, intrinsics: Intrinsics, T_world_base: np.ndarray, T_tool_camera: np.ndarray,
        quality: QualityCheck, limits: ViewLimits = ViewLimits(),
    ) -> None:  # fmt: skip
        self._arm, self._camera, self._intrinsics = arm, camera, intrinsics
        self._T_world_base, self._T_tool_camera = T_world_base, T_tool_camera
        self._quality, self._limits = quality, limits
        self._picture = PictureAtRest(camera, quality, limits.frame, limits.lag)

    def look(self, interrupted: Callable[[], bool]) -> None:
        """See where the camera is and what it shows before it moves: if it is frozen, its first view gives it away.

        Raises:
            MotionError: the arm is not at rest.
            CameraError, PoseError: there is no frame, or no pose.
            Interrupted: `interrupted()` became true.
        """
        still = self._arm.still_since(self._limits.rest, interrupted)
        joints = self._arm.joints()
        # tf has only just been connected, and does not know much earlier poses than that of the newest joint angles
        frame = self._camera.frame_after(still if joints is None else joints.stamp, self._limits.frame)
        self._quality.remember(frame.image, frame.stamp, self.camera_pose(frame.stamp))

    def remember(self, views: Iterable[RecordedView]) -> None:
        """Keep in mind what was stored before: none of these pictures may come again from elsewhere."""
        for view in views:
            self._quality.remember(view.image, view.stamp, view.T_world_camera)

    def take(self, note: Callable[..., None], interrupted: Callable[[], bool]) -> RecordedView:
        """Take a view from where the camera is now.

        Args:
            note: told of every frame that was not good enough: `note("retried", reason=...)`.

        Raises:
            ViewRejected: no frame was good enough; says why.
            CameraLost: the camera is gone.
            CameraSilent: no frame came in any attempt.
            Interrupted: `interrupted()` became true.
        """
        attempt, silent = 1, True
        while True:
            try:
                return self._attempt(note, interrupted)
            except CameraLost:
                raise
            except (CameraError, MotionError, PoseError, ViewRejected) as error:
                note("retried", attempt=attempt, reason=str(error))
                silent = silent and isinstance(error, CameraSilent)
                if attempt == self._limits.attempts:
                    raise error if silent else ViewRejected(str(error)) from error
            pause(self._limits.pause, interrupted)
            attempt += 1

    def _attempt(self, note: Callable[..., None], interrupted: Callable[[], bool]) -> RecordedView:
        still = self._arm.still_since(self._limits.rest, interrupted)
        earlier, frame, lag = self._picture.wait(still, interrupted)
        if lag > self._limits.usual_lag:
            note("late_picture", seconds=lag, reason=f"the picture came to rest {lag:.1f} s after the arm")
        pose = self._pose_at_rest(earlier.stamp, frame.stamp)
        quality = self._quality.check(frame, pose)
        if quality.reasons:
            raise ViewRejected("; ".join(quality.reasons))
        joints = self._arm.joints()
        return RecordedView(
            image=frame.image,
            stamp=frame.stamp,
            T_world_camera=pose,
            K=self._intrinsics.K,
            distortion=self._intrinsics.distortion,
            depth=frame.depth,
            truth=frame.truth,
            joint_positions=None if joints is None else joints.positions,
            quality=quality.measures,
        )

    def _pose_at_rest(self, before: float, stamp: float) -> np.ndarray:
        """T_world_camera at `stamp`, float64 [4,4], provided that the camera has not moved since `before`."""
        at_exposure = self.camera_pose(stamp)
        distance, angle = motion_between(self.camera_pose(before), at_exposure)
        if distance > self._limits.drift[0] or angle > self._limits.drift[1]:
            raise ViewRejected(
                f"the arm moved by {1e3 * distance:.1f} mm and {np.rad2deg(angle):.2f} degrees between two frames"
            )
        return at_exposure

    def camera_pose(self, stamp: float) -> np.ndarray:
        """T_world_camera at `stamp`, float64 [4,4]. Raises PoseError where it is not known for that very time."""
        return self._T_world_base @ self._arm.T_base_tool(stamp) @ self._T_tool_camera
