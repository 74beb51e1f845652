"""The rig as a whole, and what each of its faults does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from capture.errors import MotionError
from capture.motion.trajectory import Trajectory
from capture.simulation.arm import Motion
from capture.simulation.faults import FAULTS, FaultError
from capture.simulation.rig import Exposure, Eye, SimulatedRig
from capture.simulation.truth import START

PERIOD = 1 / 15


@pytest.fixture
def rig() -> SimulatedRig:
    rig = SimulatedRig(seed=2)
    rig.step(50.0)
    return rig


@pytest.fixture(scope="module")
def eye() -> Iterator[Eye]:
    eye = Eye(160, 120)
    yield eye
    eye.close()


def wave(rig: SimulatedRig) -> Trajectory:
    goal = START + 0.5
    return Trajectory(rig.arm.limits.names, np.array([0.0, 2.0]), np.array([START, goal]), np.zeros((2, 6)))


def run(rig: SimulatedRig, seconds: float, begin: float = 50.0) -> list[tuple[float, Exposure | None]]:
    """Let time pass; the pictures taken meanwhile, with the time that each is delivered at."""
    pictures = []
    for now in begin + PERIOD * np.arange(1, round(seconds / PERIOD) + 1):
        rig.step(now)
        pictures.append((now, rig.expose()))
    return pictures


def switch_on(rig: SimulatedRig, name: str, **how: float) -> None:
    rig.faults.switch_on(name, 50.0, **how)


def test_same_seed_puts_the_same_cubes(rig: SimulatedRig) -> None:
    def described(cubes) -> list[dict]:
        return [cube.description() for cube in cubes]

    first = described(rig.cubes)
    rig.rearrange(3)
    assert described(rig.cubes) != first
    rig.rearrange(2)
    assert described(rig.cubes) == first == described(SimulatedRig(seed=2).cubes)


def test_any_seed_will_do(rig: SimulatedRig) -> None:
    for seed in (-1, 0, 2**63 - 1, -(2**63)):
        rig.rearrange(seed)
        assert 2 <= len(rig.cubes) <= 4


def test_without_faults_every_picture_shows_where_the_arm_is_at_its_stamp(rig: SimulatedRig) -> None:
    rig.move(wave(rig))
    for now in 50.0 + PERIOD * np.arange(1, 20):
        rig.step(now)
        exposure, joints = rig.expose(), rig.joints()
        assert exposure.stamp == joints.stamp == now
        np.testing.assert_array_equal(exposure.view.joints, joints.positions)


def test_frame_has_what_is_asked_for(rig: SimulatedRig, eye: Eye) -> None:
    exposure = rig.expose()
    frame, bare = eye.frame(exposure), eye.frame(exposure, depth=False, truth=False)
    assert frame.image.shape == (120, 160, 3) and frame.depth.shape == frame.truth.shape == (120, 160)
    assert bare.depth is None and bare.truth is None and bare.stamp == 50.0


def test_camera_freezes(rig: SimulatedRig, eye: Eye) -> None:
    before = eye.frame(rig.expose())
    switch_on(rig, "camera_freezes")
    rig.move(wave(rig))
    stamp, exposure = run(rig, 1.0)[-1]
    frozen = eye.frame(exposure)
    assert frozen.stamp == stamp > before.stamp
    np.testing.assert_array_equal(frozen.image, before.image)
    np.testing.assert_array_equal(frozen.truth, before.truth)
    rig.faults.switch_off("camera_freezes")
    assert (eye.frame(rig.expose()).truth != before.truth).any()


def test_camera_stops(rig: SimulatedRig) -> None:
    switch_on(rig, "camera_stops", duration=0.5)
    taken = [exposure for _, exposure in run(rig, 1.0)]
    assert taken[:7] == [None] * 7 and None not in taken[8:]


def test_drops(rig: SimulatedRig) -> None:
    switch_on(rig, "drops", strength=0.3)
    missing = sum(exposure is None for _, exposure in run(rig, 40.0))
    assert 0.2 < missing / 600 < 0.4


def test_late_stamps_hide_that_a_picture_is_old(rig: SimulatedRig) -> None:
    switch_on(rig, "late_stamps")
    rig.move(wave(rig))
    joints = {}
    for now in 50.0 + PERIOD * np.arange(1, 20):
        rig.step(now)
        joints[now] = rig.arm.positions.copy()
        exposure = rig.expose()
        if exposure is not None:
            assert exposure.stamp == now
            shown_at = next(t for t, q in joints.items() if np.array_equal(q, exposure.view.joints))
            assert 0.5 <= now - shown_at < 0.5 + 2 * PERIOD
    assert exposure is not None


def test_old_stamps(rig: SimulatedRig) -> None:
    switch_on(rig, "old_stamps", strength=3.0)
    now, exposure = run(rig, 0.2)[-1]
    assert exposure.stamp == pytest.approx(now - 3.0)


def test_blur_and_over_exposure_combine(rig: SimulatedRig) -> None:
    switch_on(rig, "blur")
    switch_on(rig, "over_exposure", strength=3.0)
    _, exposure = run(rig, 0.2)[-1]
    assert (exposure.blur, exposure.gain) == (FAULTS["blur"].usual, 3.0)


def test_arm_stalls_with_its_goal_active(rig: SimulatedRig) -> None:
    rig.move(wave(rig))
    run(rig, 0.5)
    switch_on(rig, "arm_stalls", duration=3.0)
    there = rig.arm.positions.copy()
    run(rig, 2.4, begin=50.5)
    assert rig.arm.motion is Motion.MOVING
    np.testing.assert_array_equal(rig.arm.positions, there)
    run(rig, 3.0, begin=53.0)
    assert rig.arm.motion is Motion.ARRIVED


def test_trajectory_aborted(rig: SimulatedRig) -> None:
    switch_on(rig, "trajectory_aborted", strength=0.6)
    rig.move(wave(rig))
    run(rig, 0.5)
    assert rig.arm.motion is Motion.MOVING and not rig.aborted
    run(rig, 0.5, begin=50.5)
    assert rig.arm.motion is Motion.RESTING and rig.aborted
    rig.faults.clear()
    rig.arm.start(Trajectory(rig.arm.limits.names, np.array([2.0]), START[None], np.zeros((1, 6))))
    run(rig, 2.5, begin=51.0)
    assert rig.arm.motion is Motion.ARRIVED


def test_trajectory_refused(rig: SimulatedRig) -> None:
    switch_on(rig, "trajectory_refused")
    with pytest.raises(MotionError, match="refuses"):
        rig.move(wave(rig))
    assert rig.arm.motion is Motion.RESTING


def test_joint_noise(rig: SimulatedRig) -> None:
    switch_on(rig, "joint_noise", strength=0.01)
    read = [rig.joints() for _ in range(300)]
    assert 0.009 < np.std([joints.positions - START for joints in read]) < 0.011
    assert 0.09 < np.std([joints.velocities for joints in read]) < 0.11
    np.testing.assert_array_equal(rig.arm.positions, START)  # only what is read is noisy


def test_tf_gap(rig: SimulatedRig) -> None:
    switch_on(rig, "tf_gap", duration=1.0)
    assert rig.joints() is None
    run(rig, 1.2)
    assert rig.joints() is not None


def test_unknown_fault_is_answered_with_the_list(rig: SimulatedRig) -> None:
    with pytest.raises(FaultError, match="there is no fault 'smoke'") as told:
        switch_on(rig, "smoke")
    assert all(name in str(told.value) for name in FAULTS)


@pytest.mark.parametrize("how", [{"strength": -1.0}, {"duration": float("nan")}])
def test_senseless_numbers_are_refused(rig: SimulatedRig, how: dict[str, float]) -> None:
    with pytest.raises(FaultError, match="0 or more"):
        switch_on(rig, "blur", **how)
