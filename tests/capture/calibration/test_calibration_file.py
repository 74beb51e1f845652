"""Calibrations in files, and what keeps recording from trusting one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from capture.calibration.calibration import Calibration, HandEye, IntrinsicsResult, problems
from capture.calibration.calibration_file import load_calibration, save_calibration
from capture.calibration.named_calibration import find_hand_eye
from capture.calibration.verdict import Verdict
from capture.cameras.camera import Intrinsics
from capture.errors import CalibrationError

MADE = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NOW = MADE.timestamp() + 3600
DAY = 86400.0
SIZE = (640, 480)

K = np.array([[612.3456789012345, 0, 319.7], [0, 611.9, 240.1], [0, 0, 1]])
LENS = IntrinsicsResult(
    Intrinsics(K, np.array([0.1, -0.2, 0, 0, 0]), *SIZE), "CAM1", MADE, 0.1, 0.12, 0.3, 0.2, 25, Verdict("good")
)
T = np.array([[0.0, -1, 0, 0.01], [1, 0, 0, -1 / 3], [0, 0, 1, 0.05], [0, 0, 0, 1]])
HAND_EYE = HandEye(T, "ur5e", "CAM1", MADE, 0.5, 0.02, 0.3, 0.01, 0.2, 20, Verdict("usable", ("turn the wrist more",)))
BOTH = Calibration(LENS, HAND_EYE)


def of(calibration: Calibration, robot: str | None = "ur5e", camera: str = "CAM1", **more: object) -> list[str]:
    return problems(calibration, robot, camera, **{"size": SIZE, "now": NOW, **more})


@pytest.mark.parametrize("calibration", [BOTH, Calibration(LENS), Calibration(None, HAND_EYE)])
def test_calibration_comes_back_from_its_file_exactly(tmp_path: Path, calibration: Calibration) -> None:
    path = tmp_path / "new" / "calibration.yaml"
    save_calibration(path, calibration)
    again = load_calibration(path)
    assert again.digest == calibration.digest
    if calibration.intrinsics is not None:
        assert np.array_equal(again.intrinsics.lens.K, K)
        assert again.intrinsics.made == MADE
    if calibration.hand_eye is not None:
        assert np.array_equal(again.hand_eye.T_tool_camera, T)
        assert again.hand_eye.verdict == HAND_EYE.verdict


def test_digest_changes_with_any_content() -> None:
    turned = replace(HAND_EYE, T_tool_camera=T + np.eye(4) * 1e-12)
    others = [Calibration(LENS, turned), Calibration(replace(LENS, camera="CAM2"), HAND_EYE), Calibration(LENS)]
    assert len({calibration.digest for calibration in [BOTH, *others]}) == 4


def test_age_counts_from_the_older_part() -> None:
    older = replace(LENS, made=datetime(2026, 2, 27, 12, tzinfo=UTC))
    assert Calibration(older, HAND_EYE).age_days(MADE.timestamp()) == 2.0


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (["hand_eye", "rms"], None, "'rms' in 'hand_eye' in the file is missing"),
        (["hand_eye", "rms"], "small", "'rms' in 'hand_eye' in the file is 'small' and not a number"),
        (["hand_eye", "rms"], float("nan"), "nan and not a number"),
        (["hand_eye", "colour"], 1, "not known: 'colour'"),
        (["hand_eye", "views"], 2.5, "2.5 and not a whole number"),
        (["hand_eye", "robot"], 7, "7 and not a text"),
        (["hand_eye", "made"], "yesterday", "not a date"),
        (["hand_eye", "T_tool_camera"], [[1, 2], [3, 4]], "is not 4 x 4 numbers"),
        (["hand_eye", "T_tool_camera"], np.diag([1.0, 1, 2, 1]).tolist(), "is not a pose"),
        (["intrinsics", "lens", "K"], [[0.0] * 3] * 3, "not a camera matrix"),
        (["intrinsics", "lens", "distortion"], [0, "x", 0, 0, 0], "is not 5 numbers"),
        (["intrinsics", "verdict", "grade"], "fine", "none of good, usable, bad"),
        (["intrinsics"], 3, "'intrinsics' in the file is not a list of keys and values"),
        (["hand_eye", "T_tool_camera"], np.eye(4).tolist(), "was changed since it was made"),
        (["digest"], None, "was changed since it was made"),
        (["format"], "something 2", "is not a calibration"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, keys: list[str], value: object, words: str) -> None:
    path = tmp_path / "calibration.yaml"
    save_calibration(path, BOTH)
    content = yaml.safe_load(path.read_text())
    part = content
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(CalibrationError, match="calibration.yaml: ") as error:
        load_calibration(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2", b"\xff\xfe\x00", b"!!python/object/apply:os.getcwd []", b"7"])
def test_what_is_no_calibration_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calibration.yaml"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match="calibration.yaml: ") as error:
        load_calibration(path)
    assert "\n" not in str(error.value)


def test_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="no such calibration; make it by lds capture calibrate"):
        load_calibration(tmp_path / "calibration.yaml")


def test_fresh_calibration_of_this_camera_and_robot_has_no_problems() -> None:
    assert of(BOTH) == []


@pytest.mark.parametrize(
    ("calibration", "more", "words"),
    [
        (Calibration(None, HAND_EYE), {}, "there are no intrinsics"),
        (Calibration(LENS), {}, "there is no hand-eye calibration"),
        (BOTH, {"now": NOW + 31 * DAY}, "is 31 days old (of 2026-03-01), more than 30"),
        (BOTH, {"now": NOW - 3 * DAY}, "in the future"),
        (BOTH, {"camera": "CAM2"}, "serial 'CAM1', and this one has 'CAM2'"),
        (BOTH, {"robot": "franka"}, "robot 'ur5e', and this is 'franka'"),
        (BOTH, {"size": (1280, 720)}, "640 x 480 pixels, and the camera's images have 1280 x 720"),
        (Calibration(LENS, replace(HAND_EYE, verdict=Verdict("bad", ("it shook",)))), {}, "bad (it shook)"),
        (
            Calibration(replace(LENS, made=datetime(2026, 3, 1, 12, 30, tzinfo=UTC)), HAND_EYE),
            {},
            "made anew after the hand-eye calibration",
        ),
    ],
)
def test_each_problem_says_what_to_do(calibration: Calibration, more: dict, words: str) -> None:
    found = of(calibration, **more)
    assert any(words in problem for problem in found)
    assert all("lds capture calibrate" in problem for problem in found)


def test_camera_that_tells_its_intrinsics_needs_only_the_hand_eye_part() -> None:
    assert of(Calibration(None, HAND_EYE), camera_tells_intrinsics=True) == []


def test_freehand_needs_only_the_intrinsics() -> None:
    assert of(Calibration(LENS), robot=None) == []


def hand_eye_of(path: Path, calibration: Calibration, robot: str = "ur5e") -> tuple[HandEye, list[str]]:
    """The hand-eye part as nodes take it from a file, and the doubts that it is taken with."""
    save_calibration(path / "calibration.yaml", calibration)
    doubts: list[str] = []
    return find_hand_eye(str(path / "calibration.yaml"), robot, doubts.append), doubts


def fresh(calibration: Calibration) -> Calibration:
    made = datetime.now(UTC).replace(microsecond=0)
    lens = None if calibration.intrinsics is None else replace(calibration.intrinsics, made=made)
    return Calibration(lens, replace(calibration.hand_eye, made=made))


def test_a_fresh_hand_eye_of_this_robot_is_taken_without_a_doubt(tmp_path: Path) -> None:
    hand_eye, doubts = hand_eye_of(tmp_path, fresh(BOTH))
    assert np.array_equal(hand_eye.T_tool_camera, T) and not doubts


def test_a_hand_eye_of_another_robot_or_a_bad_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="calibration.yaml: .* robot 'ur5e', and this is 'franka'"):
        hand_eye_of(tmp_path, fresh(BOTH), "franka")
    with pytest.raises(CalibrationError, match="calibration.yaml: the hand-eye calibration is bad .it shook."):
        hand_eye_of(tmp_path, Calibration(LENS, replace(HAND_EYE, verdict=Verdict("bad", ("it shook",)))))
    with pytest.raises(CalibrationError, match="calibration.yaml: has no hand-eye part"):
        hand_eye_of(tmp_path, Calibration(LENS))


def test_a_hand_eye_that_may_no_longer_hold_is_taken_with_a_doubt(tmp_path: Path) -> None:
    old = replace(HAND_EYE, made=datetime(2020, 3, 1, tzinfo=UTC))
    _, (doubt,) = hand_eye_of(tmp_path, Calibration(None, old))
    assert "calibration.yaml: " in doubt and "days old (of 2020-03-01), more than 30" in doubt
    now = fresh(BOTH)
    earlier = replace(now.hand_eye, made=now.hand_eye.made - timedelta(hours=1))
    _, (doubt,) = hand_eye_of(tmp_path, Calibration(now.intrinsics, earlier))
    assert "the intrinsics were made anew after the hand-eye calibration" in doubt
