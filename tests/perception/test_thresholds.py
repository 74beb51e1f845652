"""Thresholds that are found on labelled images."""

from __future__ import annotations

import numpy as np
import pytest

from perception.deduplication import DeduplicationSettings
from perception.quality import Slots, of_objects, of_slots
from perception.thresholds import choose_settings

TABLE, RED, LIKE_RED = np.eye(3, 8, dtype=np.float32)
LIKE_RED = (0.85 * RED + np.sqrt(1 - 0.85**2) * LIKE_RED).astype(np.float32)  # cosine 0.85


def image(ghost: float) -> tuple[Slots, np.ndarray]:
    """Slots and truth: a cube whose halves are in two slots, and a shadow that a slot takes by `ghost`."""
    truth = np.zeros((32, 32), np.int32)
    truth[4:14, 4:14] = 1
    masks = np.zeros((4, 32, 32), np.float32)
    masks[1, 4:9, 4:14], masks[2, 9:14, 4:14] = 0.95, 0.95
    masks[3, 20:26, 20:26] = ghost
    masks[0] = 1 - masks[1:].sum(0)
    slots = Slots(masks, np.stack([TABLE, RED, LIKE_RED, np.ones(8, np.float32)]), np.zeros((32, 32, 3), np.uint8))
    return slots, truth


def test_settings_are_chosen_that_give_the_right_objects() -> None:
    slots, truths = zip(*[image(ghost) for ghost in (0.55, 0.62, 0.66)], strict=True)
    truths = np.stack(truths)
    before = of_objects(slots, truths, DeduplicationSettings())
    assert before.right_count == 0 and before.miou < 0.9
    settings, quality = choose_settings(slots, truths)
    assert settings.cosine <= 0.85 and settings.min_confidence >= 0.7
    assert (quality.right_count, quality.miou) == (1, 1)


def test_quality_is_the_mean_over_images() -> None:
    good, truth = image(0.0)
    truths = np.stack([truth, np.zeros_like(truth)])
    quality = of_objects([good, good], truths, DeduplicationSettings(cosine=0.8))
    assert quality.right_count == 0.5 and 0.5 < quality.miou < 1 and quality.duplicate_rate == 0


def test_intervals_take_the_views_of_a_scene_together() -> None:
    good, truth = image(0.0)
    images, truths = [good] * 40, np.stack([truth, np.zeros_like(truth)] * 20)
    quality = of_objects(images, truths, DeduplicationSettings(cosine=0.8))
    alike = quality.intervals(np.repeat(np.arange(20), 2))["right_count"]  # each scene: one right, one wrong
    apart = quality.intervals(np.arange(40))["right_count"]
    assert alike.low == alike.mean == alike.high == 0.5
    assert apart.mean == 0.5 and 0.25 < apart.low < 0.45 and 0.55 < apart.high < 0.75


def test_slots_that_share_a_cube_are_duplicates_until_they_are_merged() -> None:
    slots, truth = image(0.0)
    before = of_slots([slots], truth[None])
    after = of_objects([slots], truth[None], DeduplicationSettings(cosine=0.8))
    assert (before.duplicate_rate, before.right_count) == (1, 0) and before.miou == pytest.approx(0.75)
    assert (after.duplicate_rate, after.right_count, after.miou) == (0, 1, 1)
