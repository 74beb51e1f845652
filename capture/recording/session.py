"""A recording session: scene after scene into one dataset folder, and on from wherever an interruption left it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from capture.errors import MotionError
from capture.motion.view_planning import ViewPlan, plan_views
from capture.motion.viewpoints import FreehandPattern, Pattern
from capture.recording.approach import Approach, DrivenApproach, FreehandApproach, drive_to
from capture.recording.goal import BegunSession, kept_session
from capture.recording.progress import ProgressReporter
from capture.recording.rig import Planners, Rig
from capture.recording.scene_plan import expect_plan, expect_same_rig, finish_planned, planned_views
from capture.recording.scene_recorder import SceneRecorder
from capture.storage.partial_scene import PartialScene
from capture.storage.recording_folder import RecordingFolder


@dataclass
class Outcome:
    """What a session reached: scenes and views that it added, views skipped; why it ended before all was done."""

    scenes: int = 0
    views: int = 0
    skipped: int = 0
    stopped: str = ""


def finish_interrupted(folder: RecordingFolder) -> tuple[str, int]:
    """Make a scene of the views that an interruption left; its name, and how many views it has.

    Raises:
        CaptureError: there is no interrupted scene, or the disk refuses.
    """
    scene, session = folder.continue_scene(), kept_session(folder)
    expect_plan(scene)
    finish_planned(scene, {"note": session.goal.note if session else ""})
    return scene.name, len(scene.stored)


class Session:
    """Records what a session's goal asks for.

    Args:
        arrange: puts the objects of a scene's seed on the table, `again` where they stood there before an interruption,
            and tells what they are, a list of dictionaries as `Scene.objects` (empty where nobody knows); raises
            CaptureError or Interrupted.
        outcome: is kept up to date, and tells how far it came, however this ends.
    """

    def __init__(
        self, folder: RecordingFolder, begun: BegunSession, rig: Rig,
        arrange: Callable[[int, bool], list[dict[str, Any]]], pattern: Pattern,
        progress: ProgressReporter, interrupted: Callable[[], bool], outcome: Outcome,
    ) -> None:  # fmt: skip
        self._folder, self._goal, self._rig, self._pattern = folder, begun.goal, rig, pattern
        self._arrange, self._progress, self._interrupted = arrange, progress, interrupted
        self._outcome = outcome
        self._scenes_before = begun.scenes_before

    def run(self) -> None:
        """Record scene after scene.

        Raises:
            CaptureError: recording cannot go on; everything that was stored is kept.
            Interrupted: someone asked to stop; likewise.
        """
        done = max(0, self._folder.recorded - self._scenes_before)  # some may be gone by now
        with ThreadPoolExecutor(1, "planning") as pool:
            plan: Future[ViewPlan] | None = None
            for number in range(done, self._goal.scenes):
                scene, plan = self._scene(number, plan, pool)
                self._record(scene)
                if not self._goal.auto:
                    self._clear_the_table()

    def _scene(
        self, number: int, plan: Future[ViewPlan] | None, pool: ThreadPoolExecutor
    ) -> tuple[PartialScene, Future[ViewPlan] | None]:
        """The scene to record, and the next one's plan, which is made while this one is recorded."""
        scene = self._continued(number) if self._folder.interrupted else self._new(number, plan, pool)
        return scene, self._plan(number + 1, scene.plan, pool)

    def _continued(self, number: int) -> PartialScene:
        scene = self._folder.continue_scene()
        expect_plan(scene)
        expect_same_rig(scene, self._rig.facts)
        self._rig.taker.remember(scene.views().values())
        self._progress.scene(number + 1, len(scene.stored))
        self._arrange(scene.plan["seed"], True)
        return scene

    def _new(self, number: int, plan: Future[ViewPlan] | None, pool: ThreadPoolExecutor) -> PartialScene:
        seed = self._seed(number)
        self._progress.scene(number + 1, stored=0)
        objects = self._arrange(seed, False)
        self._progress.state("planning")
        contents = {"viewpoints": self._goal.viewpoints, "seed": seed, "objects": objects, "facts": self._rig.facts}
        if plan is None:
            plan = self._plan(number, None, pool)
        if plan is not None:
            contents |= planned_views(plan.result())
        return self._folder.begin_scene(contents, self._goal.views, self._rig.bytes_per_view)

    def _seed(self, number: int) -> int:
        """The seed of scene `number` of this session: another one than of every scene of the folder before it."""
        return int(np.random.SeedSequence([self._goal.seed, self._scenes_before + number]).generate_state(1)[0])

    def _plan(self, number: int, before: Mapping[str, Any] | None, pool: ThreadPoolExecutor) -> Future[ViewPlan] | None:
        """Plan scene `number`, which comes after the one that was planned as `before` (None: it is the first)."""
        planners = self._rig.planners
        if planners is None or number >= self._goal.scenes:
            return None
        return pool.submit(
            plan_views, self._pattern, self._goal.views, planners.views, self._rig.T_tool_camera,
            self._start(planners, before), self._seed(number),
        )  # fmt: skip

    def _start(self, planners: Planners, before: Mapping[str, Any] | None) -> np.ndarray:
        """Joint angles [J] where the arm is now, or where it will be after the scene `before`."""
        if before is None:
            return self._rig.arm.positions()
        return np.array(before["views"][-1]["joints"]) if self._goal.auto else planners.motion.home

    def _record(self, scene: PartialScene) -> None:
        began, before = time.monotonic(), len(scene.stored)
        recorder = SceneRecorder(
            scene, self._goal.views, self._approach(scene), self._rig.taker, self._rig.camera,
            self._progress, self._interrupted,
        )  # fmt: skip
        try:
            recorder.record()
        finally:
            self._outcome.views += len(scene.stored) - before
            self._outcome.skipped += len(scene.skipped)
        self._progress.state("finishing")
        finish_planned(scene, {"note": self._goal.note, "recording_seconds": time.monotonic() - began})
        self._outcome.scenes += 1

    def _clear_the_table(self) -> None:
        """Drive the arm home, out of the operator's way. Raises Interrupted."""
        if self._rig.planners is None:
            return
        planner = self._rig.planners.motion
        self._progress.state("moving", "home")
        try:
            drive_to(planner.home, self._rig.arm, planner, self._interrupted)
        except MotionError as error:  # no reason to stop: the operator sees where it stands
            self._progress.state("retrying", f"the arm stays over the table: {error}")

    def _approach(self, scene: PartialScene) -> Approach:
        pattern, rig = self._pattern, self._rig
        if rig.planners is not None:
            goals = [np.array(view["joints"]) for view in scene.plan["views"]]
            return DrivenApproach(rig.arm, rig.planners.motion, goals)
        assert isinstance(pattern, FreehandPattern), "without planners, an operator moves the camera"
        return FreehandApproach(
            rig.arm, rig.taker.camera_pose, lambda: scene.poses, pattern.min_distance, pattern.min_angle
        )
