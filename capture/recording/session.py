"""A recording session: scene after scene into one dataset folder, and on from wherever an interruption left it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from capture.errors import CaptureError, MotionError
from capture.motion.view_planning import ViewPlan, plan_views
from capture.motion.viewpoints import FreehandPattern, Pattern
from capture.recording.approach import Approach, DrivenApproach, FreehandApproach
from capture.recording.progress import ProgressReporter
from capture.recording.rig import Rig
from capture.recording.scene_recorder import SceneRecorder
from capture.storage.partial_scene import PartialScene
from capture.storage.recording_folder import RecordingFolder


@dataclass(frozen=True)
class Goal:
    """What is asked for; the fields of RecordScenes' goal that a resumed session takes over."""

    scenes: int
    views: int
    viewpoints: str
    seed: int
    auto: bool
    note: str


@dataclass
class Outcome:
    """What a session reached: scenes and views that it added, views skipped; why it ended before all was done."""

    scenes: int = 0
    views: int = 0
    skipped: int = 0
    stopped: str = ""


def begun_session(folder: RecordingFolder, goal: Goal | None) -> Goal:
    """The goal to record: `goal`, kept in the folder to be resumed; without one, that of the session interrupted there.

    Raises:
        CaptureError: a scene was interrupted and is to be resumed first; or there is nothing to resume.
    """
    if goal is not None:
        if not goal.scenes or not goal.views:
            raise CaptureError(f"at least one scene of one view is to be asked for, not {goal.scenes} of {goal.views}")
        if folder.interrupted:
            raise CaptureError(
                f"{folder.root}: {folder.interrupted.name} was interrupted and is not complete: go on with it by "
                f"`lds capture resume {folder.root}`, or keep the views that it has: `lds capture finish {folder.root}`"
            )
        folder.save_session({"goal": asdict(goal), "scenes_before": len(folder.finished)})
        return goal
    session = folder.session
    if session is None:
        raise CaptureError(f"{folder.root}: holds no session to resume: record with `lds capture record {folder.root}`")
    begun = Goal(**session["goal"])
    if not folder.interrupted and len(folder.finished) - session["scenes_before"] >= begun.scenes:
        raise CaptureError(f"{folder.root}: all {begun.scenes} scenes that were asked for are recorded")
    return begun


def finish_interrupted(folder: RecordingFolder) -> tuple[str, int]:
    """Make a scene of the views that an interruption left; its name, and how many views it has.

    Raises:
        CaptureError: there is no interrupted scene, or the disk refuses.
    """
    scene, session = folder.continue_scene(), folder.session
    _finish(scene, {"note": session["goal"]["note"] if session else ""})
    return scene.name, len(scene.stored)


class Session:
    """Records what `goal` asks for; `begun_session` has told what that is.

    Args:
        arrange: puts the objects of a scene's seed on the table, `again` where they stood there before an interruption,
            and tells what they are, a list of dictionaries as `Scene.objects` (empty where nobody knows); raises
            CaptureError or Interrupted.
        outcome: is kept up to date, and tells how far it came, however this ends.
    """

    def __init__(
        self, folder: RecordingFolder, goal: Goal, rig: Rig, arrange: Callable[[int, bool], list[dict[str, Any]]],
        pattern: Pattern, progress: ProgressReporter, interrupted: Callable[[], bool], outcome: Outcome,
    ) -> None:  # fmt: skip
        self._folder, self._goal, self._rig, self._pattern = folder, goal, rig, pattern
        self._arrange, self._progress, self._interrupted = arrange, progress, interrupted
        self._outcome = outcome
        self._scenes_before = folder.session["scenes_before"]

    def run(self) -> None:
        """Record scene after scene.

        Raises:
            CaptureError: recording cannot go on; everything that was stored is kept.
            Interrupted: someone asked to stop; likewise.
        """
        done = max(0, len(self._folder.finished) - self._scenes_before)  # some may be gone by now
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
        if self._folder.interrupted:
            scene = self._folder.continue_scene()
            self._expect_same_rig(scene)
            self._rig.taker.remember(scene.views().values())
            self._progress.scene(number + 1, len(scene.stored))
            self._arrange(scene.plan["seed"], True)
            return scene, self._plan(number + 1, scene.plan, pool)
        seed = self._seed(number)
        self._progress.scene(number + 1, stored=0)
        objects = self._arrange(seed, False)
        self._progress.state("planning")
        if plan is None:
            plan = self._plan(number, None, pool)
        contents = {"viewpoints": self._goal.viewpoints, "seed": seed, "objects": objects, "facts": self._rig.facts}
        if plan is not None:
            made = plan.result()
            contents["views"] = [
                {"joints": view.joints.tolist(), "T_world_camera": view.T_world_camera.tolist()} for view in made.views
            ]
            contents["left_out"] = [asdict(left_out) for left_out in made.left_out]
        scene = self._folder.begin_scene(contents, self._goal.views, self._rig.bytes_per_view)
        return scene, self._plan(number + 1, scene.plan, pool)

    def _seed(self, number: int) -> int:
        """The seed of scene `number` of this session: another one than of every scene of the folder before it."""
        return int(np.random.SeedSequence([self._goal.seed, self._scenes_before + number]).generate_state(1)[0])

    def _plan(self, number: int, before: dict | None, pool: ThreadPoolExecutor) -> Future[ViewPlan] | None:
        """Plan scene `number` from where the arm is, or will be after a scene planned as `before`."""
        if isinstance(self._pattern, FreehandPattern) or number >= self._goal.scenes:
            return None
        if before is None:
            start = self._rig.arm.joints().positions
        else:
            start = np.array(before["views"][-1]["joints"]) if self._goal.auto else self._rig.planner.home
        return pool.submit(
            plan_views, self._pattern, self._goal.views, self._rig.view_planner, self._rig.T_tool_camera, start,
            self._seed(number),
        )  # fmt: skip

    def _record(self, scene: PartialScene) -> None:
        began, before, taken = time.time(), len(scene.stored), scene.poses
        recorder = SceneRecorder(
            scene, self._goal.views, self._approach(scene, taken), self._rig.taker, self._rig.camera,
            self._progress, self._interrupted, taken,
        )  # fmt: skip
        try:
            recorder.record()
        finally:
            self._outcome.views += len(scene.stored) - before
            self._outcome.skipped += len(scene.skipped)
        self._progress.state("finishing")
        _finish(scene, {"note": self._goal.note, "recording_seconds": time.time() - began})
        self._outcome.scenes += 1

    def _clear_the_table(self) -> None:
        """Drive the arm home, out of the operator's way. Raises Interrupted."""
        arm, planner = self._rig.arm, self._rig.planner
        if planner is None:
            return
        self._progress.state("moving", "home")
        try:
            arm.follow(planner.plan(arm.joints().positions, planner.home), self._interrupted)
        except MotionError as error:  # no reason to stop: the operator sees where it stands
            self._progress.state("retrying", f"the arm stays over the table: {error}")

    def _expect_same_rig(self, scene: PartialScene) -> None:
        """Raises CaptureError where the poses of further views would not fit those of the views that are there."""
        then, now = scene.plan["facts"], self._rig.facts
        lasting = ("robot", "camera_serial", "T_world_base", "T_tool_camera")
        changed = [name for name in lasting if then[name] != now[name]]
        if changed:
            raise CaptureError(
                f"{scene.name} was begun with another {' and '.join(changed)}: resume with robot, camera and "
                f"calibration of then, or keep the views that it has by `lds capture finish {self._folder.root}`"
            )

    def _approach(self, scene: PartialScene, taken: list[np.ndarray]) -> Approach:
        pattern, rig = self._pattern, self._rig
        if isinstance(pattern, FreehandPattern):
            pose = rig.taker.camera_pose
            return FreehandApproach(rig.arm, pose, taken, pattern.min_distance, pattern.min_angle)
        return DrivenApproach(rig.arm, rig.planner, [np.array(view["joints"]) for view in scene.plan["views"]])


def _finish(scene: PartialScene, facts: dict[str, Any]) -> None:
    plan = scene.plan
    meta = {"kind": "recorded", "seed": plan["seed"], "viewpoints": plan["viewpoints"]}
    scene.finish({**plan["facts"], **facts}, plan["objects"], meta)
