"""What a recording session is asked for, kept in the dataset's folder to be resumed after an interruption."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from capture.errors import CaptureError
from capture.plain_data import from_plain
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


@dataclass(frozen=True)
class BegunSession:
    """A session at work: its goal, and how many scenes had been recorded into the folder before it began."""

    goal: Goal
    scenes_before: int


def begin_session(folder: RecordingFolder, goal: Goal) -> BegunSession:
    """A new session, kept in the folder.

    Raises:
        CaptureError: nothing is asked for, a scene was interrupted and is to be resumed first, or the disk refuses.
    """
    if not goal.scenes or not goal.views:
        raise CaptureError(f"at least one scene of one view is to be asked for, not {goal.scenes} of {goal.views}")
    if folder.interrupted:
        raise CaptureError(
            f"{folder.root}: {folder.interrupted.name} was interrupted and is not complete: go on with it by "
            f"`lds capture resume {folder.root}`, or keep the views that it has: `lds capture finish {folder.root}`"
        )
    session = BegunSession(goal, folder.recorded)
    folder.save_session(asdict(session))
    return session


def resume_session(folder: RecordingFolder) -> BegunSession:
    """The session that was begun last in the folder. Raises CaptureError where there is none, or it is damaged."""
    session = kept_session(folder)
    if session is None:
        raise CaptureError(f"{folder.root}: holds no session to resume: record with `lds capture record {folder.root}`")
    return session


def is_complete(folder: RecordingFolder, session: BegunSession) -> bool:
    """Whether all scenes that the session was asked for are recorded."""
    return not folder.interrupted and folder.recorded - session.scenes_before >= session.goal.scenes


def kept_session(folder: RecordingFolder) -> BegunSession | None:
    """The session that was begun last in the folder; None where none was. Raises CaptureError where it is damaged."""
    kept = folder.session
    if kept is None:
        return None
    try:
        return from_plain(BegunSession, kept, "the file")
    except ValueError as error:
        raise CaptureError(
            f"{folder.root}: session.json is of another version, or damaged ({error}): remove it, then record instead "
            "of resuming"
        ) from error
