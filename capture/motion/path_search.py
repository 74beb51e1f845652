"""A way around what blocks the straight one: RRT-Connect (Kuffner and LaValle, ICRA 2000)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

GROWTH = 0.5  # rad, how far a tree grows at once
ROUNDS = 600
SHORTCUTS = 60

Blocked = Callable[[np.ndarray, np.ndarray], str | None]


def search_path(
    start: np.ndarray, goal: np.ndarray, lower: np.ndarray, upper: np.ndarray, blocked: Blocked, via: np.ndarray
) -> list[np.ndarray] | None:
    """Corners [J] of a free way from start to goal, both included; None where none was found.

    Args:
        lower, upper: limits of the joints [J].
        blocked: why a straight piece is not free, None where it is.
        via: a position to try the way over first.
    """
    if not blocked(start, via) and not blocked(via, goal):
        path: list[np.ndarray] | None = [start, via, goal]
    else:
        path = _connect(start, goal, lower, upper, blocked, np.random.default_rng(0))
    return None if path is None else _shortened(path, blocked, np.random.default_rng(1))


class _Tree:
    """Joint angles that can be reached freely from a root."""

    def __init__(self, root: np.ndarray) -> None:
        self.points, self.parents = [root], [-1]

    def nearest(self, q: np.ndarray) -> int:
        return int(np.abs(np.array(self.points) - q).max(1).argmin())

    def grow(self, q: np.ndarray, blocked: Blocked) -> bool:
        """Grow by one piece from the nearest point towards q; tells whether it was free."""
        nearest = self.nearest(q)
        delta = q - self.points[nearest]
        reached = self.points[nearest] + delta * min(1.0, GROWTH / max(np.abs(delta).max(), 1e-9))
        if blocked(self.points[nearest], reached):
            return False
        self.points.append(reached)
        self.parents.append(nearest)
        return True

    def path_to_newest(self) -> list[np.ndarray]:
        path: list[np.ndarray] = []
        index = len(self.points) - 1
        while index >= 0:
            path.append(self.points[index])
            index = self.parents[index]
        return path[::-1]


def _connect(
    start: np.ndarray,
    goal: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    blocked: Blocked,
    rng: np.random.Generator,
) -> list[np.ndarray] | None:
    """Two trees, from start and goal, that take turns to grow anywhere and then towards each other."""
    here, there, swapped = _Tree(start), _Tree(goal), False
    for _ in range(ROUNDS):
        if here.grow(rng.uniform(lower, upper), blocked):
            newest = here.points[-1]
            while there.grow(newest, blocked):
                if np.abs(there.points[-1] - newest).max() < 1e-9:
                    first, second = (there, here) if swapped else (here, there)
                    return first.path_to_newest() + second.path_to_newest()[-2::-1]
        here, there, swapped = there, here, not swapped
    return None


def _shortened(path: list[np.ndarray], blocked: Blocked, rng: np.random.Generator) -> list[np.ndarray]:
    """Leave out corners where the way is free without them."""
    for _ in range(SHORTCUTS):
        if len(path) < 3:
            break
        first, last = sorted(rng.choice(len(path), 2, replace=False))
        if last - first > 1 and not blocked(path[first], path[last]):
            path = path[: first + 1] + path[last:]
    return path
