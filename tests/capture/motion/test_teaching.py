from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from arms_for_tests import simulated_planner

from capture.motion.planning import Planner
from capture.motion.teaching import Lesson
from capture.motion.viewpoints import load_viewpoints
from capture.settings_file import SettingsError

HERE = np.array([0.0, 0.35, 2.1, 0.0, 0.7, 0.0])


@pytest.fixture(scope="module")
def planner() -> Planner:
    return simulated_planner()


def test_saved_waypoints_are_viewpoints_at_once(planner: Planner, tmp_path: Path) -> None:
    file = tmp_path / "mine" / "views.yaml"
    lesson = Lesson(file, planner)
    for number, angle in enumerate((0.1, 0.3), 1):
        assert lesson.add(HERE + angle) == []
        pattern = load_viewpoints(file)
        assert pattern.joint_names == planner.joint_names
        assert len(pattern.waypoints) == len(lesson) == number
        assert pattern.waypoints[-1] == pytest.approx(HERE + angle, abs=1e-6)


def test_lesson_goes_on_where_it_was_left(planner: Planner, tmp_path: Path) -> None:
    Lesson(tmp_path / "views.yaml", planner).add(HERE)
    lesson = Lesson(tmp_path / "views.yaml", planner)
    lesson.add(HERE + 0.2)
    assert load_viewpoints(tmp_path / "views.yaml").waypoints == pytest.approx(np.array([HERE, HERE + 0.2]), abs=1e-6)


def test_newest_waypoint_can_be_taken_back(planner: Planner, tmp_path: Path) -> None:
    lesson = Lesson(tmp_path / "views.yaml", planner)
    lesson.add(HERE)
    lesson.add(HERE + 0.2)
    assert lesson.undo()
    assert load_viewpoints(tmp_path / "views.yaml").waypoints == pytest.approx(HERE[None], abs=1e-6)
    assert lesson.undo()
    assert not (tmp_path / "views.yaml").exists()
    assert not lesson.undo()


def test_doubtful_waypoints_are_saved_with_a_warning(planner: Planner, tmp_path: Path) -> None:
    lesson = Lesson(tmp_path / "views.yaml", planner)
    lesson.add(HERE)
    assert lesson.add(HERE + 0.01) == ["it is almost the same as waypoint 1"]
    [warning] = lesson.add(HERE + [0, 1.1, 0.1, 0, 0, 0])
    assert warning == "recording will leave this one out: camera_mount would come too close to the table"
    assert len(load_viewpoints(tmp_path / "views.yaml").waypoints) == 3


def test_file_of_something_else_is_not_overwritten(planner: Planner, tmp_path: Path) -> None:
    file = tmp_path / "views.yaml"
    file.write_text("kind: taught\njoint_names: [a]\nwaypoints: [[1]]\n")
    with pytest.raises(SettingsError, match="holds no waypoints of this robot"):
        Lesson(file, planner)


def test_file_that_cannot_be_written_saves_nothing(planner: Planner, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file in its place")
    lesson = Lesson(tmp_path / "folder" / "views.yaml", planner)
    with pytest.raises(SettingsError, match="cannot be written"):
        lesson.add(HERE)
    assert len(lesson) == 0
