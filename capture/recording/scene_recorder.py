"""Records the views of one scene: approach, take, store; what fails is tried once more at the end, then skipped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from capture.arms.arm import pause
from capture.cameras.camera import Camera
from capture.cameras.reopening import reopen
from capture.errors import CameraError, CameraLost, CameraSilent, CaptureError, MotionError
from capture.recording.approach import Approach
from capture.recording.progress import ProgressReporter
from capture.recording.view_taking import ViewRejected, ViewTaker
from capture.storage.partial_scene import PartialScene
from capture.storage.recorded_view import RecordedView


@dataclass(frozen=True)
class SceneLimits:
    """When to give up.

    Attributes:
        failures: views in a row that fail before recording stops, as something is broken then.
        pause: seconds to wait after a view that failed: much passes by itself.
        share: of its views that a scene must have to be worth keeping as a finished one.
        patience: seconds to wait for a camera that is lost, or hangs.
    """

    failures: int = 5
    pause: float = 2.0
    share: float = 0.5
    patience: float = 30.0


class SceneRecorder:
    """Fills a partial scene with views."""

    def __init__(
        self, scene: PartialScene, views: int, approach: Approach, taker: ViewTaker, camera: Camera,
        progress: ProgressReporter, interrupted: Callable[[], bool], limits: SceneLimits = SceneLimits(),
    ) -> None:  # fmt: skip
        self._scene, self._views, self._approach = scene, views, approach
        self._taker, self._camera, self._progress = taker, camera, progress
        self._interrupted, self._limits = interrupted, limits
        self._failures = 0

    def record(self) -> None:
        """Record all views that the scene lacks.

        Raises:
            CaptureError: too many views fail, the camera does not come back, or the disk does not take more; what was
                stored is kept.
            Interrupted: someone asked to stop; the arm stands still, and what was stored is kept.
        """
        missing = [view for view in range(self._views) if view not in self._scene.stored]
        put_off = [view for view in missing if not self._record(view, self._put_off)]
        self._failures = 0  # the same views once more are no further ones in a row
        for view in put_off:
            self._record(view, self._skip)
        stored = len(self._scene.stored)
        if stored < max(1, self._limits.share * self._views):
            raise CaptureError(
                f"{self._scene.name} has only {stored} of {self._views} views, the others failed (the journal says "
                "why); see to the cause, then go on with `lds capture resume`"
            )

    def _record(self, view: int, give_up: Callable[[int, str], None]) -> bool:
        """Record one view; whether that worked."""
        self._progress.view(view + 1)
        try:
            recorded = self._approach_take_and_store(view)
        except (MotionError, ViewRejected) as error:
            give_up(view, str(error))
            self._count_failure(error)
            return False
        self._failures = 0
        quality = recorded.quality
        self._progress.stored(len(self._scene.stored), quality["sharpness"], quality["overexposed"])
        return True

    def _approach_take_and_store(self, view: int) -> RecordedView:
        began = time.monotonic()
        self._approach.approach(view, self._note, self._interrupted)
        there = time.monotonic()
        self._progress.state("settling")
        recorded = self._take()
        taken = time.monotonic()
        self._scene.store(view, recorded)
        stored = time.monotonic()
        self._scene.note("timed", view=view, approach=there - began, take=taken - there, store=stored - taken)
        return recorded

    def _count_failure(self, error: CaptureError) -> None:
        """Wait a little before the next view. Raises CaptureError where too many in a row have failed."""
        self._failures += 1
        if self._failures >= self._limits.failures:
            raise CaptureError(
                f"{self._failures} views in a row failed, the last one because {error}. What was stored is kept: "
                "see to the cause, then go on with `lds capture resume`"
            ) from error
        pause(self._limits.pause, self._interrupted)

    def _take(self) -> RecordedView:
        """Take the view; a camera that is gone, or that hangs, is opened anew once."""
        try:
            return self._taker.take(self._note, self._interrupted)
        except (CameraLost, CameraSilent) as error:
            self._note("camera_lost", reason=str(error))
            self._reopen_camera()
        try:
            return self._taker.take(self._note, self._interrupted)
        except CameraSilent as error:
            raise ViewRejected(f"{error}, though it was opened anew") from error

    def _reopen_camera(self) -> None:
        try:
            reopen(self._camera, self._limits.patience, self._interrupted)
        except CameraError as error:
            raise CameraLost(
                f"the camera did not come back within {self._limits.patience:.0f} s: {error}. What was stored "
                "is kept: plug it in, then go on with `lds capture resume`"
            ) from error
        self._note("camera_back")

    def _note(self, event: str, **facts: object) -> None:
        self._scene.note(event, view=self._progress.now.view - 1, **facts)
        self._progress.state("retrying", str(facts.get("reason", event)))

    def _put_off(self, view: int, reason: str) -> None:
        self._scene.note("put_off", view=view, reason=reason)
        self._progress.state("retrying", f"view {view + 1} is put off: {reason}")

    def _skip(self, view: int, reason: str) -> None:
        self._scene.skip(view, reason)
        self._progress.skipped(len(self._scene.skipped), reason)
