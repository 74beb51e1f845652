"""Which session is recorded: a new one, the one that was interrupted, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.errors import CaptureError
from capture.recording.goal import Goal, begin_session, is_complete, kept_session, resume_session
from capture.storage.recording_folder import RecordingFolder

GOAL = Goal(scenes=2, views=3, viewpoints="ring", seed=7, auto=True, note="first try")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RecordingFolder]:
    with RecordingFolder(tmp_path / "dataset") as folder:
        yield folder


def test_a_session_is_resumed_as_it_was_begun(folder: RecordingFolder) -> None:
    assert kept_session(folder) is None
    begun = begin_session(folder, GOAL)
    assert begun.goal == GOAL and begun.scenes_before == 0
    assert resume_session(folder) == begun


def test_where_no_session_was_begun_there_is_nothing_to_resume(folder: RecordingFolder) -> None:
    with pytest.raises(CaptureError, match="holds no session to resume: record with `lds capture record"):
        resume_session(folder)


def test_a_session_is_complete_once_all_its_scenes_are_finished(
    folder: RecordingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin_session(folder, GOAL)
    monkeypatch.setattr(RecordingFolder, "finished", ["scene_000000"])
    assert not is_complete(folder, begun)
    monkeypatch.setattr(RecordingFolder, "finished", ["scene_000000", "scene_000001"])
    assert is_complete(folder, begun)
    folder.begin_scene({}, views=3, bytes_per_view=1000)
    assert not is_complete(folder, begun)


def test_an_interrupted_scene_is_resumed_before_another_session_begins(folder: RecordingFolder) -> None:
    begin_session(folder, GOAL)
    folder.begin_scene({}, views=3, bytes_per_view=1000)
    with pytest.raises(CaptureError, match="scene_000000 was interrupted.*lds capture resume.*lds capture finish"):
        begin_session(folder, GOAL)
    assert resume_session(folder).goal == GOAL


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"goal": 1, "scenes_before": 0},
        {"goal": {"scenes": 2, "colour": "red"}, "scenes_before": 0},
        {"goal": vars(GOAL), "scenes_before": "none"},
    ],
)
def test_a_session_of_another_version_is_named_with_what_to_do(folder: RecordingFolder, content: object) -> None:
    (folder.root / "session.json").write_text(json.dumps(content))
    with pytest.raises(CaptureError, match="session.json is of another version, or damaged .*remove it"):
        resume_session(folder)
