"""Which pictures of the board are still missing: a measure of how varied those are that there are.

The four measures of a view follow ROS's camera_calibration: where the board's middle is in the picture (x, y), how
large the board appears (size), and how tilted (skew); beside them, over how much of the picture corners were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from capture.calibration.board import Board, Detection

NEW = 0.2  # sum of absolute differences of the measures, from which on a view adds something
ENOUGH = {"x": 0.5, "y": 0.5, "size": 0.25, "tilt": 0.3, "area": 0.7}  # spans; greatest tilt; share of the cells
GRID = (8, 6)  # cells of the picture, across and down
ADVICE = {
    "x": "move the board to the left and the right edge of the picture",
    "y": "move the board to the upper and the lower edge of the picture",
    "size": "go nearer, until the board fills the picture, and farther away",
    "tilt": "tilt the board in several directions, 30 degrees and more",
    "area": "bring the board into the corners of the picture",
}


@dataclass(frozen=True)
class ViewMeasures:
    """Of one view, all within 0 and 1: middle of the board (x, y), size and tilt of its outline."""

    x: float
    y: float
    size: float
    tilt: float

    def distance(self, other: ViewMeasures) -> float:
        return sum(abs(a - b) for a, b in zip(vars(self).values(), vars(other).values(), strict=True))


def measure_view(detection: Detection, board: Board) -> ViewMeasures:
    """How the board lies in a picture; the detection must be usable. Works where only a part of it is seen."""
    ends = np.array([[0.0, 0.0], [board.width, 0.0], [board.width, board.height], [0.0, board.height]])
    outline = cv2.perspectiveTransform(ends[None], detection.homography())[0]
    middle = detection.corners.mean(0) / [detection.width, detection.height]
    area = abs(cv2.contourArea(outline.astype(np.float32))) / (detection.width * detection.height)
    sides = np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1)
    # A tilted board has a right angle that is none, opposite sides that differ, or one direction foreshortened.
    edges = [(outline[(i + 1) % 4] - outline[i], outline[i - 1] - outline[i]) for i in range(4)]
    cosines = [abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in edges]
    narrowing = max(1 - min(sides[i], sides[i + 2]) / max(sides[i], sides[i + 2]) for i in range(2))
    flat = (sides[1] + sides[3]) / (sides[0] + sides[2]) * board.height / board.width
    foreshortened = 1 - min(flat, 1 / flat)
    tilt = max(*cosines, narrowing, foreshortened)
    return ViewMeasures(*(float(np.clip(value, 0, 1)) for value in (*middle, np.sqrt(area), tilt)))


class Coverage:
    """Grows with the views that are added to it."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._views: list[ViewMeasures] = []
        self._cells = np.zeros(GRID, bool)

    def is_new(self, detection: Detection) -> bool:
        """Whether a view differs from all others by enough to be worth taking; not where it is not usable."""
        if not detection.usable:
            return False
        measures = measure_view(detection, self._board)
        return all(measures.distance(other) > NEW for other in self._views)

    def add(self, detection: Detection) -> None:
        """Count a usable view in."""
        self._views.append(measure_view(detection, self._board))
        cells = np.floor(detection.corners / [detection.width, detection.height] * GRID).astype(int)
        across, down = np.clip(cells, 0, np.array(GRID) - 1).T
        self._cells[across, down] = True

    @property
    def progress(self) -> dict[str, float]:
        """How far each of x, y, size, tilt and area is, 0 to 1."""
        reached = {"area": self._cells.mean(), "tilt": max((view.tilt for view in self._views), default=0.0)}
        for name in ("x", "y", "size"):
            values = [getattr(view, name) for view in self._views]
            reached[name] = max(values) - min(values) if values else 0.0
        return {name: float(min(1.0, reached[name] / enough)) for name, enough in ENOUGH.items()}

    @property
    def advice(self) -> str:
        """What to do next, in words; empty once all is covered."""
        progress = self.progress
        missing = min(progress, key=progress.__getitem__)
        return ADVICE[missing] if progress[missing] < 1 else ""
