"""Recording with the simulated rig, behind a real roscore, action server and disk; and all that can go wrong."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from processes import PATIENCE, ROOT, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from actionlib_msgs.msg import GoalStatus
from lds_scenes.msg import RecordScenesFeedback, RecordScenesGoal
from recording_rig import VIEWS, Rig, assert_sound, nodes
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
from capture.arms.robot_urdf import robot_urdf
from capture.calibration.calibration_file import save_calibration
from capture.motion.planning import Planner
from capture.motion.robot_profile import load_robot_profile
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import load_viewpoints
from capture.recording.approach import DrivenApproach
from capture.simulation.true_calibration import true_calibration
from capture.simulation.truth import T_TOOL_CAMERA
from datasets.loading import open_dataset


@pytest.fixture(autouse=True)
def mended(rig: Rig) -> Iterator[None]:
    yield
    rig.mend()


def journal(dataset: Path, scene: int = 0) -> list[dict]:
    return [json.loads(line) for line in (dataset / f"journals/scene_{scene:06d}.jsonl").read_text().splitlines()]


def reasons(dataset: Path) -> str:
    """All reasons in the journal of the first scene."""
    return "\n".join(line["reason"] for line in journal(dataset) if "reason" in line)


def test_recorded_scenes_have_images_poses_and_masks_that_agree(rig: Rig, tmp_path: Path) -> None:
    told: list[RecordScenesFeedback] = []
    state, result = rig.record(tmp_path, told.append, scenes=2, note="first try")
    assert state == GoalStatus.SUCCEEDED and result.complete, result.message
    assert (result.scenes, result.views, result.skipped) == (2, 2 * VIEWS, 0)
    assert_sound(tmp_path, scenes=2)
    first, second = open_dataset(tmp_path)
    assert first.meta["robot"] == "simulated" and first.meta["camera_serial"] == "simulated"
    assert first.meta["note"] == "first try" and len(first.meta["calibration_digest"]) == 16
    assert 0 <= first.meta["calibration_age_days"] < 1
    assert first.meta["software"].startswith("lds_scenes ") and len(first.meta["joint_names"]) == 6
    assert first.objects != second.objects and first.depth is not None and (np.diff(first.stamps) > 0).all()
    assert {f.state for f in told} >= {"planning", "rearranging", "moving", "settling", "storing", "finishing"}
    assert max(f.stored for f in told) == VIEWS and told[-1].eta < 5


@pytest.mark.parametrize(
    ("fault", "strength", "reason"),
    [
        ("camera_freezes", 0, "frozen camera"),
        ("camera_stops", 0, "no frame within"),
        ("late_stamps", 0.5, "came to rest 0.[3-9] s after the arm"),
        ("old_stamps", 5, "another clock"),
        ("blur", 0, "blurred: sharpness"),
        ("over_exposure", 3, "over-exposed"),
        ("arm_stalls", 0, "stall|stands"),
        ("trajectory_aborted", 0, "does not follow its trajectory"),
        ("trajectory_refused", 0, "refuse"),
        ("joint_noise", 0, "rest"),
        ("tf_gap", 0, "joint_states|joint states|tf"),
    ],
)
def test_a_fault_is_told_and_no_bad_view_is_stored(
    rig: Rig, tmp_path: Path, fault: str, strength: float, reason: str
) -> None:
    struck, told = [], []

    def watch(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == 2 and not struck:
            struck.append(True)
            rig.fault(fault, strength)
        elif struck and not told and feedback.state == "retrying" and re.search(reason, feedback.detail):
            told.append(feedback.detail)
            rig.mend()

    state, result = rig.record(tmp_path, watch)
    assert state == GoalStatus.SUCCEEDED, result.message
    assert told, f"no such reason was told; the journal has: {reasons(tmp_path) or 'none'}"
    assert told[0] in reasons(tmp_path)
    assert_sound(tmp_path)


def test_a_camera_that_froze_while_nothing_was_recorded_is_noticed_by_the_first_view(rig: Rig, tmp_path: Path) -> None:
    def stop(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == 2 and feedback.state == "moving":
            rig.client.cancel()

    rig.record(tmp_path, stop)
    rig.fault("camera_freezes")
    told: list[str] = []

    def mend(feedback: RecordScenesFeedback) -> None:
        if not told and "frozen camera" in feedback.detail:
            told.append(feedback.detail)
            rig.mend()

    state, result = rig.record(tmp_path, mend, resume=True)
    assert state == GoalStatus.SUCCEEDED and told, result.message
    assert_sound(tmp_path)


def test_lost_pictures_cost_time_but_no_view(rig: Rig, tmp_path: Path) -> None:
    rig.fault("drops", 0.5)
    state, result = rig.record(tmp_path)
    assert state == GoalStatus.SUCCEEDED and result.skipped == 0, result.message
    assert_sound(tmp_path)


def test_a_view_that_fails_to_the_end_is_skipped_with_its_reason(rig: Rig, tmp_path: Path) -> None:
    def strike(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == VIEWS - 1 and feedback.state == "moving":
            rig.fault("over_exposure", 3)

    state, result = rig.record(tmp_path, strike)
    assert state == GoalStatus.SUCCEEDED and (result.views, result.skipped) == (VIEWS - 1, 1)
    assert_sound(tmp_path, views=VIEWS - 1)
    (skipped,) = open_dataset(tmp_path)[0].meta["skipped_views"]
    assert "over-exposed" in skipped["reason"]


def test_recording_stops_with_the_reason_where_nothing_works_and_resumes(rig: Rig, tmp_path: Path) -> None:
    def strike(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == 2:
            rig.fault("trajectory_refused")

    state, result = rig.record(tmp_path, strike, views=8)
    assert state == GoalStatus.ABORTED and not result.complete
    assert "views in a row failed" in result.message and "lds capture resume" in result.message
    rig.mend()
    state, result = rig.record(tmp_path, resume=True)
    assert state == GoalStatus.SUCCEEDED, result.message
    assert_sound(tmp_path, views=8)


def test_preempting_stops_the_arm_and_resuming_completes_the_session(rig: Rig, tmp_path: Path) -> None:
    def stop(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == 2 and feedback.state == "moving":
            rig.client.cancel()

    state, result = rig.record(tmp_path, stop, scenes=2)
    assert state == GoalStatus.PREEMPTED and result.views == 2, result.message
    time.sleep(0.3)
    joints = rospy.wait_for_message("/joint_states", JointState, PATIENCE)
    assert np.abs(joints.velocity).max() < 0.01
    state, refused = rig.record(tmp_path, scenes=1)
    assert state == GoalStatus.ABORTED and "lds capture resume" in refused.message
    state, result = rig.record(tmp_path, resume=True)
    assert state == GoalStatus.SUCCEEDED and (result.scenes, result.views) == (2, 2 * VIEWS - 2), result.message
    assert_sound(tmp_path, scenes=2)
    state, result = rig.record(tmp_path, resume=True)
    assert state == GoalStatus.SUCCEEDED and result.complete and result.scenes == 0
    assert result.message == "all 2 scenes that were asked for had been recorded before"


def test_an_interrupted_scene_is_only_continued_with_the_rig_it_was_begun_with(rig: Rig, tmp_path: Path) -> None:
    def stop(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == 2:
            rig.client.cancel()

    rig.record(tmp_path, stop)
    good, moved = rig.calibration.read_bytes(), true_calibration()
    elsewhere = moved.hand_eye.T_tool_camera + [[0, 0, 0, 0.01], [0] * 4, [0] * 4, [0] * 4]
    hand_eye = dataclasses.replace(moved.hand_eye, T_tool_camera=elsewhere)
    save_calibration(rig.calibration, dataclasses.replace(moved, hand_eye=hand_eye))
    try:
        state, result = rig.record(tmp_path, resume=True)
    finally:
        rig.calibration.write_bytes(good)
    assert state == GoalStatus.ABORTED
    assert "begun with another T_tool_camera" in result.message and "lds capture finish" in result.message
    finish = subprocess.run([sys.executable, "-m", "lds_cli.main", "capture", "finish", tmp_path], cwd=ROOT)
    assert finish.returncode == 0
    assert_sound(tmp_path, views=2)


@pytest.mark.parametrize("stored", [1, 3])
def test_views_survive_sigkill_of_the_node_and_resume_completes_the_scene(
    rig: Rig, tmp_path: Path, stored: int
) -> None:
    def kill(feedback: RecordScenesFeedback) -> None:
        if feedback.stored == stored and feedback.state == "settling":
            rig.kill_capture()

    rig.client.send(RecordScenesGoal(dataset=str(tmp_path), scenes=1, views=VIEWS, viewpoints="ring", auto=True), kill)
    wait_for("the end of the node", lambda: not nodes("capture_node.py"))
    rig.kill_capture()
    kept = sorted(path.name for path in tmp_path.glob("scene_000000.partial/view_*.npz"))
    assert len(kept) >= stored
    stamps = [line["stamp"] for line in map(json.loads, _partial_journal(tmp_path)) if line["event"] == "stored"]
    rig.start_capture()
    state, result = rig.record(tmp_path, resume=True)
    assert state == GoalStatus.SUCCEEDED, result.message
    assert_sound(tmp_path)
    assert set(stamps) <= set(open_dataset(tmp_path)[0].stamps)


def _partial_journal(dataset: Path) -> list[str]:
    return (dataset / "scene_000000.partial/journal.jsonl").read_text().splitlines()


def test_the_arm_stops_when_the_client_is_gone(rig: Rig, tmp_path: Path) -> None:
    goal = {"dataset": str(tmp_path), "scenes": 1, "views": 20, "viewpoints": "ring", "auto": True}
    client = subprocess.Popen(
        ["rosrun", "lds_scenes", "record_node.py", json.dumps(goal), "~record:=/capture/record"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    partial = tmp_path / "scene_000000.partial"
    wait_for("the second view", lambda: len(list(partial.glob("view_*.npz"))) >= 2)
    for pid in nodes("record_node.py"):
        subprocess.run(["kill", "-9", str(pid)], check=False)
    client.wait(PATIENCE)
    wait_for("the end of the goal", lambda: _can_lock(tmp_path))
    assert 2 <= len(list(partial.glob("view_*.npz"))) < 20


def _can_lock(dataset: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", dataset / ".recorder.lock", "true"]).returncode == 0


def test_the_operator_says_when_the_next_scene_stands(rig: Rig, tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(feedback: RecordScenesFeedback) -> None:
        if feedback.state == "waiting_for_operator" and feedback.scene not in asked:
            asked.append(feedback.scene)
            rospy.ServiceProxy("/capture/next_scene", Trigger)()

    state, result = rig.record(tmp_path, answer, scenes=2, views=3, auto=False)
    assert state == GoalStatus.SUCCEEDED, result.message
    assert asked == [1, 2] and len(open_dataset(tmp_path)) == 2


@pytest.fixture
def arm(rig: Rig) -> Iterator[FollowJointTrajectoryArm]:
    """The rig's arm, for the test to move as an operator would."""
    profile = load_robot_profile(rig.robot)
    with FollowJointTrajectoryArm(profile, Planner(profile, robot_urdf(profile)).joint_names) as arm:
        yield arm


def planned_views(arm: FollowJointTrajectoryArm, rig: Rig, count: int) -> tuple[Planner, list[np.ndarray]]:
    """A planner, and joint angles of views around the table."""
    profile = load_robot_profile(rig.robot)
    planner = Planner(profile, robot_urdf(profile))
    plan = plan_views(load_viewpoints("ring"), count, planner, T_TOOL_CAMERA, arm.joints().positions, seed=1)
    return planner, [view.joints for view in plan.views]


def test_taught_viewpoints_are_visited_in_their_order(rig: Rig, arm: FollowJointTrajectoryArm, tmp_path: Path) -> None:
    planner, goals = planned_views(arm, rig, 3)
    waypoints = [q.tolist() for q in goals[::-1]]
    taught = {"kind": "taught", "joint_names": list(planner.joint_names), "waypoints": waypoints}
    (tmp_path / "taught.yaml").write_text(yaml.safe_dump(taught))
    state, result = rig.record(tmp_path / "dataset", views=3, viewpoints=str(tmp_path / "taught.yaml"))
    assert state == GoalStatus.SUCCEEDED, result.message
    poses = open_dataset(tmp_path / "dataset")[0].T_world_camera
    for q, pose in zip(goals[::-1], poses, strict=True):
        np.testing.assert_allclose(pose, planner.T_world_tool(q) @ T_TOOL_CAMERA, atol=2e-3)


def test_freehand_views_are_taken_wherever_the_camera_comes_to_rest(
    rig: Rig, arm: FollowJointTrajectoryArm, tmp_path: Path
) -> None:
    planner, goals = planned_views(arm, rig, 4)
    goal = {"scenes": 1, "views": 4, "viewpoints": "freehand", "auto": True}
    rig.client.send(RecordScenesGoal(dataset=str(tmp_path), **goal))
    partial = tmp_path / "scene_000000.partial"
    approach = DrivenApproach(arm, planner, goals)  # tries twice, as recording does
    for number in range(len(goals)):
        approach.approach(number, lambda *_, **__: None, lambda: False)
        wait_for(
            f"view {number}",
            lambda n=number: len(list(partial.glob("view_*.npz"))) > n or (tmp_path / "scene_000000.h5").exists(),
        )
    rig.client.result(timeout=PATIENCE)
    assert rig.client.state == GoalStatus.SUCCEEDED
    assert_sound(tmp_path, views=4)


def test_a_bad_calibration_is_refused_unless_told(rig: Rig, tmp_path: Path) -> None:
    good = rig.calibration.read_bytes()
    old = true_calibration()
    made = old.hand_eye.made - timedelta(days=90)
    save_calibration(rig.calibration, dataclasses.replace(old, hand_eye=dataclasses.replace(old.hand_eye, made=made)))
    try:
        state, result = rig.record(tmp_path / "refused")
        assert state == GoalStatus.ABORTED and "90 days old" in result.message
        state, result = rig.record(tmp_path / "accepted", views=2, accept_calibration=True)
        assert state == GoalStatus.SUCCEEDED, result.message
        assert "90 days old" in open_dataset(tmp_path / "accepted")[0].meta["calibration_objections"]
    finally:
        rig.calibration.write_bytes(good)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"viewpoints": "pentagon"}, "none of that name among config/viewpoints"),
        ({"dataset": "/proc/nowhere"}, "/proc/nowhere"),
        ({"resume": True}, "holds no session to resume"),
        ({"scenes": 0}, "at least one scene"),
    ],
)
def test_a_goal_that_cannot_be_met_is_refused_in_words(rig: Rig, tmp_path: Path, wrong: dict, words: str) -> None:
    state, result = rig.record(wrong.pop("dataset", tmp_path / "new"), **wrong)
    assert state == GoalStatus.ABORTED and words in result.message


def test_a_full_disk_stops_recording_and_loses_nothing(rig: Rig, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        filler = disk / "filler"

        def fill(feedback: RecordScenesFeedback) -> None:
            if feedback.stored == 2 and not filler.exists():
                free = shutil.disk_usage(disk).free
                filler.write_bytes(b"0" * (free - 2_000_000))

        state, result = rig.record(disk / "dataset", fill)
        assert state == GoalStatus.ABORTED and "the disk is full" in result.message, result.message
        filler.unlink()
        state, result = rig.record(disk / "dataset", resume=True)
        assert state == GoalStatus.SUCCEEDED, result.message
        assert_sound(disk / "dataset")
    finally:
        subprocess.run(["umount", disk], check=True)
