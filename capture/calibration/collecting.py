"""Takes views of the board into a folder, moved by hand or by the arm, and says what is going on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from capture.arms.arm import Arm, Interrupted, pause
from capture.calibration.board import Board, Detection
from capture.calibration.guides import Guide
from capture.calibration.sharpness import LARGEST_WIDTH, edge_width
from capture.calibration.view_folder import ViewFolder
from capture.cameras.camera import Camera, Frame
from capture.errors import CameraError, CameraLost, MotionError, PoseError
from capture.motion.trajectory import Trajectory
from capture.picture_at_rest import PictureAtRest

FRAME_TIMEOUT = 5.0  # seconds
SETTLE_TIMEOUT = 5.0
RECOVERY = 1.0  # seconds until the next pose after one failed: a driver's short silence must not cost all of them
STILL = 0.7  # pixels that the board may have moved since the frame before
STILL_FOR = 0.4  # seconds that it must have been still


@dataclass(frozen=True)
class Collector:
    """What taking views needs, by hand or by arm.

    Attributes:
        T_base_tool: tells where the tool was at a stamp, [4,4], or raises PoseError; None where only the lens is
            calibrated, and poses do not matter.
        tell: takes one line for the operator; the same one may come again and again.
        interrupted: whether somebody asked to stop.
        picture: of the camera; an arm takes its views where it rests, too.
    """

    camera: Camera
    T_base_tool: Callable[[float], np.ndarray] | None
    board: Board
    guide: Guide
    folder: ViewFolder
    tell: Callable[[str], None]
    interrupted: Callable[[], bool]
    picture: PictureAtRest

    def by_hand(self) -> None:
        """Take a view whenever the board is still, sharp and elsewhere than before, until the guide has enough.

        Raises:
            Interrupted: somebody asked to stop.
            CameraLost: the camera is gone.
        """
        stillness = _Stillness()
        last = 0.0
        while not self.guide.done:
            if self.interrupted():
                raise Interrupted
            try:
                frame = self.camera.frame_after(last, FRAME_TIMEOUT)
            except CameraLost:
                raise
            except CameraError as error:
                self.tell(str(error))
                last = 0.0  # where the clock was set back, nothing that comes is newer
                continue
            last = frame.stamp
            detection = self.board.detect(frame.image)
            reason = self._why_not(frame, detection) or stillness.why_not(frame, detection)
            self.tell(f"{self.guide.status}  [{reason or self._take(frame, detection)}]")

    def by_arm(self, arm: Arm, trajectory_to: Callable[[np.ndarray], Trajectory], goals: Sequence[np.ndarray]) -> None:
        """Drive an arm to joint angles [J] one after the other, and take a view at each where the board is seen.

        Args:
            trajectory_to: the motion from where the arm is to a goal; may raise MotionError.

        Raises:
            Interrupted: somebody asked to stop; the arm stands still.
            CameraLost: the camera is gone.
        """
        for goal in goals:
            if self.guide.done:
                return
            try:
                arm.follow(trajectory_to(goal), self.interrupted)
                frame = self.frame_at_rest(arm)
            except CameraLost:
                raise
            except (MotionError, CameraError) as error:
                self.tell(f"{self.guide.status}  [left out: {error}]")
                pause(RECOVERY, self.interrupted)
                continue
            detection = self.board.detect(frame.image)
            reason = self._why_not(frame, detection) or self._take(frame, detection)
            self.tell(f"{self.guide.status}  [{reason}]")

    def frame_at_rest(self, arm: Arm) -> Frame:
        """A frame from after both arm and picture came to rest. Raises MotionError, CameraError, Interrupted."""
        return self.picture.wait(arm.still_since(SETTLE_TIMEOUT, self.interrupted), self.interrupted).later

    def _why_not(self, frame: Frame, detection: Detection) -> str:
        if not detection.usable:
            return f"{len(detection.ids)} of {len(self.board.object_points)} corners seen: show more of the board"
        width = edge_width(frame.image, detection, self.board)
        if width > LARGEST_WIDTH:
            return f"not sharp: edges take {width:.1f} px; hold it still, focus, give more light"
        return ""

    def _take(self, frame: Frame, detection: Detection) -> str:
        try:
            pose = None if self.T_base_tool is None else self.T_base_tool(frame.stamp)
        except PoseError as error:
            return str(error)
        if not self.guide.is_new(detection, pose):
            return "like one that was taken already"
        self.folder.add(frame.image, pose)
        self.guide.add(detection, pose)
        return "taken"


class _Stillness:
    """Whether the board has not moved in the picture for a while."""

    def __init__(self) -> None:
        self._last: Detection | None = None
        self._since = 0.0

    def why_not(self, frame: Frame, detection: Detection) -> str:
        """Empty once it has been still for STILL_FOR; call it with every frame that shows the board."""
        moved = np.inf if self._last is None else _moved(self._last, detection)
        self._last = detection
        if moved > STILL:
            self._since = frame.stamp
            return "moving: hold it still"
        return "" if frame.stamp - self._since >= STILL_FOR else "hold it so"


def _moved(before: Detection, now: Detection) -> float:
    """Median way of the corners that both frames show, pixels."""
    _, in_before, in_now = np.intersect1d(before.ids, now.ids, return_indices=True)
    if not len(in_now):
        return np.inf
    return float(np.median(np.linalg.norm(now.corners[in_now] - before.corners[in_before], axis=1)))
