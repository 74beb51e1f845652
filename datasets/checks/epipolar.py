"""Do the poses agree with the pictures? Needs no labels: matched points must lie on each other's epipolar lines."""

from __future__ import annotations

import numpy as np

from datasets.checks.correspondences import Correspondences, find_correspondences, robust
from datasets.checks.findings import Findings, listed
from datasets.checks.hand_eye import hand_eye_error
from datasets.scene import Scene

SMALLEST_IMAGE = 200  # pixels wide; smaller ones have too few features
ENOUGH, ENOUGH_PAIRS = 60, 5  # matches, and pairs of views that they come from, to judge a scene by
ERROR = 2.5  # pixels of a picture 640 wide; a scene's median above it means that poses and pictures disagree
VIEW_ERROR = 6.0  # the same for all neighbours of one view
SHIFTS = {-2: "two views before", -1: "the view before", 1: "the view after", 2: "two views after"}
SHIFT_GAIN, SHIFT_LEFT = 0.5, 0.25  # of the robust cost; of the error: what a shift must explain, and what may be left
POOLED = 4  # scenes in a row that are asked together about the hand-eye calibration, which one alone tells less surely


class EpipolarCheck:
    """Compares the poses of scene after scene with the pictures, and tells which error would explain what it finds."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._pool: list[tuple[str, Correspondences]] = []

    def add(self, scene: Scene) -> None:
        """Judge a scene, or keep it to be judged with the next ones."""
        if scene.T_world_camera is None or scene.K is None or scene.image_size[1] < SMALLEST_IMAGE:
            return
        matches = find_correspondences(scene)
        if len(matches) < ENOUGH or len(matches.pairs()) < ENOUGH_PAIRS:
            self._findings.unjudged.append(scene.name)
            return
        errors = matches.errors()
        self._findings.epipolar_errors.append(float(np.median(errors)))
        reason = _shift(matches, errors)
        if reason:
            self._findings.problems.append(f"{scene.name}: {reason}: {_told(errors)}")
            return
        self._pool.append((scene.name, matches))
        if len(self._pool) == POOLED:
            self.finish()

    def finish(self) -> None:
        """Judge what was kept."""
        if not self._pool:
            return
        names, matches = zip(*self._pool, strict=True)
        self._pool = []
        off = hand_eye_error(matches)
        if off:
            errors = np.concatenate([m.errors() for m in matches])
            which = " to ".join(dict.fromkeys((names[0], names[-1])))
            self._findings.problems.append(f"{which}: hand-eye calibration is off: {_told(errors)}; {off}")
            return
        for name, own in zip(names, matches, strict=True):
            errors = own.errors()
            wrong = _wrong_views(own, errors)
            if wrong or np.median(errors) > ERROR:
                where = f" in views {listed(wrong)}" if wrong else ""
                self._findings.problems.append(f"{name}: poses disagree with the pictures{where}: {_told(errors)}")


def _told(errors: np.ndarray) -> str:
    return f"matched points miss their epipolar lines by {np.median(errors):.1f} px (median, of a picture 640 px wide)"


def _shift(matches: Correspondences, errors: np.ndarray) -> str | None:
    """From which view on the poses are another view's, in words; None where they fit best as they are."""
    most, words = 0.0, None
    poses = matches.T_world_camera
    for start in range(len(poses) - 2):
        touched = np.maximum(matches.first, matches.second) >= start
        if touched.sum() < ENOUGH:
            break
        for shift, whose in SHIFTS.items():
            moved = np.concatenate([poses[:start], np.roll(poses, shift, axis=0)[start:]])
            after = matches.errors(moved)[touched]
            gain = (robust(errors[touched]) - robust(after)).mean()
            fits = np.median(after) < min(ERROR, SHIFT_LEFT * np.median(errors[touched]))
            if fits and gain > SHIFT_GAIN and gain * touched.sum() > most:
                most = gain * touched.sum()
                words = f"from view {start} on the poses are those of {whose}"
    return words


def _wrong_views(matches: Correspondences, errors: np.ndarray) -> list[int]:
    """Views that no neighbour's matches agree with."""
    wrong = []
    for view in np.unique([matches.first, matches.second]):
        own = [(matches.first == i) & (matches.second == j) for i, j in matches.pairs() if view in (i, j)]
        medians = [np.median(errors[pair]) for pair in own]
        if len(medians) > 1 and min(medians) > VIEW_ERROR:
            wrong.append(int(view))
    return wrong
