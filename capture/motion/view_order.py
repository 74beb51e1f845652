"""In which order to visit views, and in which of several arm postures, so that the arm moves little.

A travelling salesman without return whose stops come in variants: nearest neighbour, then 2-opt on the order and the
best variant of each stop by dynamic programming, in turns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TURNS = 4
CHECKS = 8
BLOCKED = 8.0  # s; what a way costs at least that must go around something


def shortest_tour(
    start: np.ndarray,
    variants: list[np.ndarray],
    duration: Callable[[np.ndarray, np.ndarray], np.ndarray],
    is_free: Callable[[np.ndarray, np.ndarray], bool],
) -> list[tuple[int, np.ndarray]]:
    """Order N stops.

    Args:
        start: joint angles [J].
        variants: of each stop, joint angles [Mi,J] that do equally well.
        duration: seconds [...] from joint angles to joint angles [...,J], the same in both directions.
        is_free: tells whether the straight way is free; asked only about ways that are likely taken.

    Returns:
        (index of the stop, its joint angles [J]) in the order to visit.
    """
    points = np.concatenate([start[None], *variants])
    stops = np.concatenate([[-1], *(np.full(len(v), i) for i, v in enumerate(variants))])
    cost = duration(points[:, None], points[None])
    known: dict[tuple[int, int], bool] = {}
    tour = _improved(_nearest_neighbour(cost, stops), cost, stops)
    for _ in range(CHECKS):
        new = [edge for edge in zip([0, *tour], tour, strict=False) if edge not in known]
        if not new:
            break
        for a, b in new:
            known[a, b] = known[b, a] = is_free(points[a], points[b])
            if not known[a, b]:
                cost[a, b] = cost[b, a] = cost[a, b] + BLOCKED
        tour = _improved(tour, cost, stops)
    return [(int(stops[point]), points[point]) for point in tour]


def _nearest_neighbour(cost: np.ndarray, stops: np.ndarray) -> list[int]:
    tour, here = [], 0
    open_points = stops >= 0
    while open_points.any():
        here = int(np.where(open_points, cost[here], np.inf).argmin())
        tour.append(here)
        open_points &= stops != stops[here]
    return tour


def _improved(tour: list[int], cost: np.ndarray, stops: np.ndarray) -> list[int]:
    best = tour
    for _ in range(TURNS):
        tour = _best_variants(_two_opt(best, cost), cost, stops)
        if _length(tour, cost) > _length(best, cost) - 1e-6:
            break
        best = tour
    return best


def _two_opt(tour: list[int], cost: np.ndarray) -> list[int]:
    """Turn round stretches of the tour as long as that shortens it. The start, point 0, stays first."""
    path = np.array([0, *tour])
    improved = True
    while improved:
        improved = False
        for i in range(1, len(path) - 1):
            # Turning round path[i..j] exchanges the ways (i-1, i) and (j, j+1) for (i-1, j) and (i, j+1).
            ends = path[i + 1 :]
            after = np.append(path[i + 2 :], -1)
            leaving = np.where(after >= 0, cost[ends, after], 0)
            entering = np.where(after >= 0, cost[path[i], after], 0)
            gain = cost[path[i - 1], path[i]] + leaving - cost[path[i - 1], ends] - entering
            j = int(gain.argmax())
            if gain[j] > 1e-9:
                path[i : i + j + 2] = path[i : i + j + 2][::-1]
                improved = True
    return path[1:].tolist()


def _best_variants(tour: list[int], cost: np.ndarray, stops: np.ndarray) -> list[int]:
    """The same order of stops, each in the variant that makes the whole tour shortest (Viterbi)."""
    layers = [np.flatnonzero(stops == stops[point]) for point in tour]
    total, before, back = np.zeros(1), np.zeros(1, int), []
    for layer in layers:
        ways = total[:, None] + cost[np.ix_(before, layer)]
        back.append(ways.argmin(0))
        total, before = ways.min(0), layer
    choice = int(total.argmin())
    chosen = []
    for layer, came_from in zip(layers[::-1], back[::-1], strict=True):
        chosen.append(int(layer[choice]))
        choice = int(came_from[choice])
    return chosen[::-1]


def _length(tour: list[int], cost: np.ndarray) -> float:
    path = [0, *tour]
    return float(cost[path[:-1], path[1:]].sum())
