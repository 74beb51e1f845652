"""Do the poses agree with the pictures? Needs no labels: matched points must lie on each other's epipolar lines."""

from __future__ import annotations

import numpy as np

from datasets.checks.correspondences import Correspondences, find_correspondences
from datasets.checks.findings import Findings, listed
from datasets.checks.hand_eye import hand_eye_error
from datasets.scene import Scene

SMALLEST_IMAGE = 200  # pixels wide; smaller ones have too few features
ENOUGH = 60  # matches that poses explain beyond chance, or that agree without any pose, to judge a scene by
ERROR = 2.5  # pixels of a picture 640 wide; a scene's median above it means that poses and pictures disagree
VIEW_ERROR = 6.0  # the same for all neighbours of one view
SHIFTS = {-2: "two views before", -1: "the view before", 1: "the view after", 2: "two views after"}
NARROW, SHIFT_GAIN = 3.0, 40  # pixels; more matches within them that a shift must explain, thrice as many as before
FEWEST_SHIFTED, SHIFT_SHARE = 4, 0.2  # views, and of their matches: a shift that explains fewer could be any error
POOLED = 4  # scenes in a row that are asked together about the hand-eye calibration, which one alone tells less surely


class EpipolarCheck:
    """Compares the poses of scene after scene with the pictures, and tells which error would explain what it finds."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._pool: list[tuple[str, Correspondences]] = []

    def add(self, scene: Scene) -> bool:
        """Judge a scene, or keep it to be judged with the next ones; whether its pictures tell enough for that."""
        if scene.T_world_camera is None or scene.K is None or scene.image_size[1] < SMALLEST_IMAGE:
            return False
        matches = find_correspondences(scene)
        shifted = _shift(matches)
        if shifted:
            self._findings.problems.append(f"{scene.name}: {shifted}: {_told(matches)}")
        elif matches.explained() >= ENOUGH or matches.verified.sum() >= ENOUGH:
            self._findings.epipolar_errors.append(matches.median_error())
            self._pool.append((scene.name, matches))
        else:
            self._findings.unjudged.append(scene.name)
            return False
        if len(self._pool) == POOLED:
            self.finish()
        return True

    def finish(self) -> None:
        """Judge what was kept."""
        if not self._pool:
            return
        names, matches = zip(*self._pool, strict=True)
        self._pool = []
        off = hand_eye_error(matches)
        if off:
            which = " to ".join(dict.fromkeys((names[0], names[-1])))
            self._findings.problems.append(f"{which}: hand-eye calibration is off: {_told(*matches)}; {off}")
            return
        for name, own in zip(names, matches, strict=True):
            wrong = _wrong_views(own)
            if wrong or own.median_error() > ERROR:
                where = f" in views {listed(wrong)}" if wrong else ""
                self._findings.problems.append(f"{name}: poses disagree with the pictures{where}: {_told(own)}")


def _told(*scenes: Correspondences) -> str:
    error = np.median([matches.median_error() for matches in scenes])
    return f"matched points miss their epipolar lines by {error:.1f} px (median, of a picture 640 px wide)"


def _shift(matches: Correspondences) -> str | None:
    """From which view on the poses are another view's, in words; None where they fit best as they are."""
    most, words = 0.0, None
    poses, before = matches.T_world_camera, matches.errors() < NARROW
    for start in range(max(1, len(poses) - FEWEST_SHIFTED + 1)):
        touched = np.maximum(matches.first, matches.second) >= start
        if not touched.any():
            break
        for shift, whose in SHIFTS.items():
            moved = np.concatenate([poses[:start], np.roll(poses, shift, axis=0)[start:]])
            after = matches.errors(moved) < NARROW
            gain = after[touched].sum() - before[touched].sum()
            if after[touched].mean() > SHIFT_SHARE and gain > max(SHIFT_GAIN, 2 * before[touched].sum(), most):
                most, words = gain, f"from view {start} on the poses are those of {whose}"
    return words


def _wrong_views(matches: Correspondences) -> list[int]:
    """Views that no neighbour's verified matches agree with."""
    sure = matches.where(matches.verified)
    errors, wrong = sure.errors(), []
    for view in np.unique([sure.first, sure.second]):
        own = [(sure.first == i) & (sure.second == j) for i, j in sure.pairs() if view in (i, j)]
        if len(own) > 1 and min(np.median(errors[pair]) for pair in own) > VIEW_ERROR:
            wrong.append(int(view))
    return wrong
