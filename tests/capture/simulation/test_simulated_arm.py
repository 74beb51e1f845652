"""The simulated arm: how it follows trajectories, and which it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from urdf_chain import forward

from capture.errors import MotionError
from capture.motion.trajectory import Trajectory
from capture.simulation.arm import LAG, Motion, SimulatedArm, read_joint_limits
from capture.simulation.truth import START, T_TOOL_CAMERA, T_WORLD_BASE, URDF
from capture.simulation.world import ARM, rig_model

NAMES = read_joint_limits().names
STEP = 1 / 60
GOAL = START + [0.6, -0.3, 0.2, 0.4, -0.3, 0.8]


def smooth(start: np.ndarray = START, goal: np.ndarray = GOAL, duration: float = 2.0) -> Trajectory:
    """From rest to rest, a cosine blend."""
    times = np.linspace(0, duration, 21)
    share = (1 - np.cos(np.pi * times / duration)) / 2
    speed = np.pi / duration * np.sin(np.pi * times / duration) / 2
    return Trajectory(NAMES, times, start + share[:, None] * (goal - start), speed[:, None] * (goal - start))


@pytest.fixture
def arm() -> SimulatedArm:
    arm = SimulatedArm()
    arm.step(100.0)
    return arm


def let_pass(arm: SimulatedArm, begin: float, seconds: float, **how: bool) -> float:
    """Step through some time from `begin` on; returns the time then."""
    for now in begin + STEP * np.arange(1, round(seconds / STEP) + 1):
        arm.step(now, **how)
    return now


def test_mujoco_puts_the_camera_where_the_urdf_says() -> None:
    import mujoco

    model = rig_model(64, 48)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(0)
    limits = read_joint_limits()
    assert [model.joint(i).name for i in range(model.njnt)] == [ARM + name for name in limits.names]
    np.testing.assert_allclose(model.jnt_range, np.column_stack([limits.lower, limits.upper]))
    for _ in range(50):
        data.qpos[:] = rng.uniform(limits.lower, limits.upper)
        mujoco.mj_forward(model, data)
        expected = T_WORLD_BASE @ forward(URDF, "tool0", dict(zip(NAMES, data.qpos, strict=True))) @ T_TOOL_CAMERA
        np.testing.assert_allclose(data.camera("wrist").xpos, expected[:3, 3], atol=1e-9)
        turned = data.camera("wrist").xmat.reshape(3, 3) * [1, -1, -1]
        np.testing.assert_allclose(turned, expected[:3, :3], atol=1e-9)


def test_the_camera_faces_out_of_its_body() -> None:
    T_tool_mount = forward(URDF, "camera_mount", dict.fromkeys(NAMES, 0.0))
    T_tool = forward(URDF, "tool0", dict.fromkeys(NAMES, 0.0))
    optical_frame_in_body = np.linalg.inv(np.linalg.inv(T_tool) @ T_tool_mount) @ T_TOOL_CAMERA
    assert optical_frame_in_body[2, 2] > 0.99 and optical_frame_in_body[2, 3] > -0.005


def test_arm_reaches_the_goal_and_rests_there(arm: SimulatedArm) -> None:
    arm.start(smooth())
    now = let_pass(arm, 100.0, 1.0)
    assert arm.motion is Motion.MOVING and np.abs(arm.velocities).max() > 0.3
    let_pass(arm, now, 1.5)
    assert arm.motion is Motion.ARRIVED
    np.testing.assert_allclose(arm.positions, GOAL, atol=1e-4)
    assert np.abs(arm.velocities).max() < 1e-3


def test_arm_lags_a_little_behind_its_command(arm: SimulatedArm) -> None:
    arm.start(smooth())
    let_pass(arm, 100.0, 1.0)
    behind = np.abs(arm.command - arm.positions) / np.abs(arm.velocities)
    assert (behind < 1.3 * LAG).all() and (behind > 0.5 * LAG).all()


def test_joints_may_come_in_any_order(arm: SimulatedArm) -> None:
    straight, order = smooth(), [3, 1, 5, 0, 2, 4]
    arm.start(
        Trajectory(
            tuple(NAMES[i] for i in order),
            straight.times,
            straight.positions[:, order],
            straight.velocities[:, order],
        )
    )
    let_pass(arm, 100.0, 2.5)
    np.testing.assert_allclose(arm.positions, GOAL, atol=1e-4)


def test_trajectory_that_begins_later_is_led_up_to(arm: SimulatedArm) -> None:
    arm.start(Trajectory(NAMES, np.array([2.0]), GOAL[None], np.zeros((1, 6))))
    let_pass(arm, 100.0, 2.5)
    np.testing.assert_allclose(arm.positions, GOAL, atol=1e-4)


def test_stop_brings_the_arm_to_rest_within_a_tenth_of_a_second(arm: SimulatedArm) -> None:
    arm.start(smooth())
    now = let_pass(arm, 100.0, 1.0)
    arm.stop()
    now = let_pass(arm, now, 0.1)
    there = arm.positions.copy()
    let_pass(arm, now, 0.5)
    assert arm.motion is Motion.RESTING
    np.testing.assert_allclose(arm.positions, there, atol=2e-3)


def test_stalled_arm_stands_and_then_goes_on_without_a_jump(arm: SimulatedArm) -> None:
    arm.start(smooth())
    now = let_pass(arm, 100.0, 0.7)
    there = arm.positions.copy()
    now = let_pass(arm, now, 5.0, stalled=True)
    np.testing.assert_array_equal(arm.positions, there)
    assert arm.motion is Motion.MOVING and not arm.velocities.any()
    arm.step(now + STEP)
    assert np.abs(arm.positions - there).max() < 0.05
    let_pass(arm, now + STEP, 2.0)
    assert arm.motion is Motion.ARRIVED


def with_times(*times: float) -> Trajectory:
    return Trajectory(NAMES, np.array(times), np.tile(START, (len(times), 1)), np.zeros((len(times), 6)))


def beyond_the_elbow_s_limit() -> np.ndarray:
    goal = START.copy()
    goal[2] = read_joint_limits().upper[2] + 0.1
    return goal


@pytest.mark.parametrize(
    ("trajectory", "reason"),
    [
        (replace(smooth(), joint_names=("a", *NAMES[1:])), "the arm has shoulder_pan_joint"),
        (replace(smooth(), joint_names=NAMES[:5]), "the arm has shoulder_pan_joint"),
        (with_times(), "no points"),
        (with_times(0.0), "only point is at time 0"),
        (with_times(0.0, 1.0, 1.0), "do not rise"),
        (with_times(-1.0, 1.0), "do not rise"),
        (replace(smooth(), positions=np.full((21, 6), np.nan)), "not finite"),
        (smooth(start=START + 0.2), "starts 0.200 rad from where"),
        (smooth(goal=beyond_the_elbow_s_limit()), "0.100 rad beyond the limit of elbow_joint"),
        (smooth(duration=0.3), "too much for"),
    ],
)
def test_wrong_trajectories_are_refused_in_words(arm: SimulatedArm, trajectory: Trajectory, reason: str) -> None:
    with pytest.raises(MotionError, match=reason):
        arm.start(trajectory)
    let_pass(arm, 100.0, 0.5)
    np.testing.assert_array_equal(arm.positions, START)


@pytest.mark.parametrize("seconds", [-100.0, -0.5])
def test_a_clock_that_is_set_back_does_not_set_the_arm_back(arm: SimulatedArm, seconds: float) -> None:
    arm.start(smooth())
    now = let_pass(arm, 100.0, 1.0)
    here = arm.positions
    arm.step(now + seconds)
    np.testing.assert_array_equal(arm.positions, here)
    arm.step(now + seconds + STEP)
    assert np.abs(arm.positions - here).max() < 0.1
    let_pass(arm, now + seconds + STEP, 3.0)
    assert arm.motion is Motion.ARRIVED
