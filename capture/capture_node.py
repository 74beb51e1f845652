#!/usr/bin/env python3
"""Records multi-view scenes with an arm and a camera on its wrist, or with a camera in an operator's hand.

Action: ~record (RecordScenes). Preempting it stops the arm; so does the end of the client, or of this node.
Services: ~next_scene (std_srvs/Trigger): the operator has rearranged the objects. Calls ~rearrange (RearrangeCubes)
    where the goal says `auto`.
Parameters: ~robot (a name from config/robots, or a YAML file), ~camera (a name from config/cameras, or a YAML file),
    ~calibration (a YAML file; see `lds capture calibrate`), /robot_description (where the profile names no URDF),
    ~within (a folder that datasets must lie in; empty: anywhere; read at the start, as others may set it later).
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import actionlib
import rospy
from lds_scenes.msg import RecordScenesAction, RecordScenesFeedback, RecordScenesGoal, RecordScenesResult
from lds_scenes.srv import RearrangeCubes
from std_srvs.srv import Trigger, TriggerResponse

from capture.arms.arm import Interrupted
from capture.errors import CaptureError
from capture.motion.viewpoints import load_viewpoints
from capture.recording.goal import Goal, begin_session, is_complete, resume_session
from capture.recording.progress import Progress, ProgressReporter
from capture.recording.rig import RigSettings, open_rig
from capture.recording.session import Outcome, Session
from capture.storage.recording_folder import RecordingFolder
from lds_ros.action_servers import keep_telling
from lds_ros.nodes import MissingParameter, node_lives, required_parameter, run_node
from lds_ros.objects import scene_objects
from lds_ros.service_calls import call_service

M_ARENA_MAX = -8  # of malloc.h
REARRANGER = 5.0  # seconds for the service that rearranges to be there
CLIENT_CHECK = 1.0  # seconds between two looks whether the client still lives
CLIENT_MISSES = 2  # looks in a row that do not find it before it counts as gone


class CaptureNode:
    def __init__(self) -> None:
        self._within = str(rospy.get_param("~within", ""))
        self._next_scene = threading.Event()
        self._client_missed = 0  # looks in a row that did not find the client
        rospy.Service("~next_scene", Trigger, self._operator_is_ready)
        self._server = actionlib.SimpleActionServer("~record", RecordScenesAction, self._execute, auto_start=False)
        rospy.Timer(rospy.Duration(CLIENT_CHECK), self._look_for_client, reset=True)
        self._server.start()
        keep_telling(self._server.action_server)
        rospy.loginfo("ready to record: %s", rospy.resolve_name("~record"))

    def _execute(self, wanted: RecordScenesGoal) -> None:
        self._client_missed = 0
        outcome, done = Outcome(), ""
        try:
            done = self._record(wanted, outcome)
        except (Interrupted, CaptureError) as error:
            why = self._why_interrupted() if isinstance(error, Interrupted) else str(error)
            outcome.stopped = "; ".join([why, *getattr(error, "__notes__", ())])
        self._report(outcome, done)
        _let_go()

    def _record(self, wanted: RecordScenesGoal, outcome: Outcome) -> str:
        """Record all that is wanted and not there yet; what was done, in words."""
        asked = Goal(wanted.scenes, wanted.views, wanted.viewpoints, wanted.seed, wanted.auto, wanted.note)
        with ExitStack() as stack:
            folder = stack.enter_context(RecordingFolder(self._folder(wanted.dataset)))
            session = resume_session(folder) if wanted.resume else begin_session(folder, asked)
            goal = session.goal
            for notice in folder.notices:
                rospy.logwarn("%s: %s", folder.root, notice)
            if is_complete(folder, session):
                return f"all {goal.scenes} scenes that were asked for had been recorded before"
            progress = ProgressReporter(goal.scenes, goal.views, self._publish)
            progress.state("planning", "; ".join(folder.notices) or "connecting to the arm and the camera")
            pattern = load_viewpoints(goal.viewpoints)
            rig = stack.enter_context(open_rig(_rig_settings(wanted), pattern))
            progress.state("planning", rig.calibration)
            ask = self._ask_service if goal.auto else self._ask_operator
            arrange = partial(ask, progress=progress)
            Session(folder, session, rig, arrange, pattern, progress, self._interrupted, outcome).run()
        skipped = f", {outcome.skipped} views skipped" if outcome.skipped else ""
        return f"recorded {outcome.scenes} scenes, {outcome.views} views{skipped}"

    def _folder(self, dataset: str) -> Path:
        """Where a goal may record. Raises CaptureError where it names no folder, or one outside of ~within."""
        if not dataset:
            raise CaptureError("the goal names no dataset: say into which folder to record")
        if self._within and not Path(dataset).resolve().is_relative_to(Path(self._within).resolve()):
            raise CaptureError(f"{dataset}: is not in {self._within}, which this capture node records within")
        return Path(dataset)

    def _report(self, outcome: Outcome, done: str) -> None:
        message = outcome.stopped or done
        result = RecordScenesResult(
            scenes=outcome.scenes, views=outcome.views, skipped=outcome.skipped,
            complete=not outcome.stopped, message=message,
        )  # fmt: skip
        if not outcome.stopped:
            self._server.set_succeeded(result, message)
        elif self._server.is_preempt_requested():
            self._server.set_preempted(result, message)
        else:
            rospy.logerr("recording stopped: %s", message)
            self._server.set_aborted(result, message)

    def _publish(self, progress: Progress) -> None:
        self._server.publish_feedback(RecordScenesFeedback(**vars(progress)))

    def _interrupted(self) -> bool:
        return rospy.is_shutdown() or self._server.is_preempt_requested() or self._client_missed >= CLIENT_MISSES

    def _look_for_client(self, _: object) -> None:
        if self._server.is_active():
            client = self._server.current_goal.get_goal_id().id.partition("-")[0]  # actionlib: NODE-NUMBER-TIME
            self._client_missed = 0 if node_lives(client) else self._client_missed + 1

    def _why_interrupted(self) -> str:
        if self._server.is_preempt_requested():
            why = "stopped, since another goal came" if self._server.is_new_goal_available() else "stopped as asked"
        elif rospy.is_shutdown():
            why = "the node was shut down"
        elif node_lives(rospy.get_name()):
            why = "stopped, since the client is gone"
        else:
            why = "stopped, since the roscore was started anew and does not know this node: start it again, too"
        return f"{why}; what was stored is kept: go on with `lds capture resume`"

    def _operator_is_ready(self, _: object) -> TriggerResponse:
        self._next_scene.set()
        return TriggerResponse(True, "")

    def _ask_operator(self, _: int, again: bool, progress: ProgressReporter) -> list[dict[str, Any]]:
        self._next_scene.clear()
        what = "see that the objects stand as before" if again else "rearrange the objects"
        progress.state("waiting_for_operator", f"{what}; nothing moves meanwhile")
        while not self._next_scene.wait(0.1):
            if self._interrupted():
                raise Interrupted
        return []

    def _ask_service(self, seed: int, _: bool, progress: ProgressReporter) -> list[dict[str, Any]]:
        progress.state("rearranging")
        name = rospy.resolve_name("~rearrange")
        try:
            answer = call_service(name, RearrangeCubes, REARRANGER, self._interrupted, seed)
        except (rospy.ROSException, rospy.ServiceException) as error:
            raise CaptureError(
                f"{name}: nobody rearranges the objects ({error}): start the simulated rig, or record without --auto"
            ) from error
        if answer is None:
            raise Interrupted
        if not answer.success:
            raise CaptureError(f"{name}: the objects were not rearranged: {answer.message}")
        return scene_objects(answer.objects)


def _let_go() -> None:
    """Give back what a recording has taken: file handles of rospy's closed topics, and the memory of pictures.

    Python would keep the first in cycles for long, and glibc the second in the arenas of threads that have ended.
    """
    gc.collect()
    with suppress(AttributeError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)


def _keep_few_heaps() -> None:
    """Let all threads share two heaps of glibc: one for each thread is never empty, and the node would hold 250 MB."""
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _rig_settings(wanted: RecordScenesGoal) -> RigSettings:
    try:
        robot, camera = required_parameter("~robot"), required_parameter("~camera")
    except MissingParameter as error:
        raise CaptureError(f"{error}: start this node by capture.launch") from error
    return RigSettings(robot, camera, rospy.get_param("~calibration", ""), wanted.accept_calibration)


def run() -> None:
    _keep_few_heaps()
    CaptureNode()
    rospy.spin()


def main() -> int:
    return run_node("capture", run)


if __name__ == "__main__":
    sys.exit(main())
