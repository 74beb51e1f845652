"""Whether a model had a slot left for another object."""

from __future__ import annotations

import numpy as np
import pytest

from perception.deduplication import DeduplicationSettings, merge_duplicates
from perception.fullness import is_full

SIZE = 32
BOXES = ((2, 2), (2, 20), (20, 2), (20, 20))


def explained(owners: list[list[int]], slots: int, latents: np.ndarray | None = None) -> bool:
    """Of masks in which slot i + 1 shows the boxes `owners[i]`, and slot 0 all else."""
    winner = np.zeros((SIZE, SIZE), int)
    for slot, boxes in enumerate(owners, start=1):
        for row, column in (BOXES[box] for box in boxes):
            winner[row : row + 8, column : column + 8] = slot
    masks = (winner == np.arange(slots)[:, None, None]).astype(np.float32)
    latents = np.eye(slots, dtype=np.float32) if latents is None else latents
    return is_full(masks, merge_duplicates(masks, latents, DeduplicationSettings()))


@pytest.mark.parametrize(
    ("owners", "slots", "full"),
    [
        ([[0], [1], [2]], 4, True),  # as many objects as there can be: whether there are more, nobody knows
        ([[0], [1], [2]], 5, False),
        ([[0, 3], [1], [2]], 4, True),  # two objects share a slot
        ([[0, 3], [1], [2]], 5, False),  # they do, but another slot was free
        ([], 2, False),
    ],
)
def test_a_model_is_full_where_all_its_slots_show_objects(owners: list[list[int]], slots: int, full: bool) -> None:
    assert explained(owners, slots) == full


def test_a_slot_that_was_spent_on_a_duplicate_is_no_object() -> None:
    alike = np.eye(4, dtype=np.float32)
    alike[3] = alike[0]  # a part of the table, far from any object
    assert not explained([[0], [1], [2]], 4, alike)
