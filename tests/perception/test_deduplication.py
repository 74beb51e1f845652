from __future__ import annotations

import numpy as np
import pytest

from perception.deduplication import DeduplicationSettings, merge_duplicates

RED, GREEN, TABLE = np.eye(3, 16, dtype=np.float32)
LEFT, RIGHT, FAR = np.s_[20:30, 10:20], np.s_[20:30, 20:30], np.s_[50:60, 50:60]


def slots(*regions: tuple, rest: int = 0, strength: float = 0.9, size: int = 64) -> np.ndarray:
    """Masks [1+N,size,size]: slot `rest` has what is left by the others, which have `strength` in their regions."""
    masks = np.zeros((len(regions), size, size), np.float32)
    for mask, region in zip(masks, regions, strict=True):
        mask[region] = strength
    return np.insert(masks, rest, 1 - masks.sum(0), axis=0)


def test_slots_that_each_show_another_object_are_left_alone() -> None:
    merged = merge_duplicates(slots(LEFT, FAR), np.array([TABLE, RED, GREEN]))
    assert merged.slots == [(1,), (2,)]
    assert merged.duplicates_merged == 0
    np.testing.assert_array_equal(merged.latents, [RED, GREEN])


def test_two_halves_of_one_object_with_like_latents_become_one_and_are_counted() -> None:
    merged = merge_duplicates(slots(LEFT, RIGHT), np.array([TABLE, RED, RED + 0.1 * GREEN]))
    assert merged.slots == [(1, 2)]
    assert merged.duplicates_merged == 1
    assert (merged.probabilities.argmax(0) == 1).sum() == 200


def test_objects_that_look_alike_but_stand_apart_stay_two() -> None:
    merged = merge_duplicates(slots(LEFT, FAR), np.array([TABLE, RED, RED]))
    assert merged.slots == [(1,), (2,)]


def test_objects_that_touch_but_look_different_stay_two() -> None:
    merged = merge_duplicates(slots(LEFT, RIGHT), np.array([TABLE, RED, GREEN]))
    assert merged.slots == [(1,), (2,)]


def test_slots_touch_where_no_pixel_lies_between_them_unless_more_is_asked_for() -> None:
    masks, latents = slots(LEFT, np.s_[20:30, 21:30]), np.array([TABLE, RED, RED])
    assert merge_duplicates(masks, latents).duplicates_merged == 0
    assert merge_duplicates(masks, latents, DeduplicationSettings(reach=2)).duplicates_merged == 1


def test_latents_as_alike_as_is_asked_for_are_merged() -> None:
    """Their cosine is 1/2, without rounding."""
    masks, latents = slots(LEFT, RIGHT), np.array([[1, -1, -1, -1], [1, 1, 1, 1], [1, 1, 1, -1]], np.float32)
    assert merge_duplicates(masks, latents, DeduplicationSettings(cosine=0.5)).slots == [(1, 2)]
    assert merge_duplicates(masks, latents, DeduplicationSettings(cosine=0.51)).slots == [(1,), (2,)]


def test_lit_and_shaded_sides_are_one_object_where_colours_count_and_other_colours_are_not() -> None:
    image = np.full((64, 64, 3), 220, np.uint8)
    image[LEFT], image[RIGHT] = (200, 60, 50), (100, 30, 25)
    masks, latents = slots(LEFT, RIGHT), np.array([TABLE, RED, GREEN])
    assert merge_duplicates(masks, latents, DeduplicationSettings(), image).slots == [(1,), (2,)]
    settings = DeduplicationSettings(chroma=0.1)
    assert merge_duplicates(masks, latents, settings, image).slots == [(1, 2)]
    assert merge_duplicates(slots(LEFT, FAR), latents, settings, image).slots == [(1,), (2,)]  # they do not touch
    image[RIGHT] = (60, 100, 25)
    assert merge_duplicates(masks, latents, settings, image).slots == [(1,), (2,)]


def test_what_has_the_tables_colour_is_no_table_for_it() -> None:
    image = np.full((64, 64, 3), 220, np.uint8)
    image[LEFT] = 90
    merged = merge_duplicates(slots(LEFT), np.array([TABLE, RED]), DeduplicationSettings(chroma=0.1), image)
    assert merged.slots == [(1,)]


def test_an_object_that_two_slots_share_half_and_half_is_found_where_neither_beats_the_background() -> None:
    masks = slots(LEFT, strength=0.3)
    masks = np.concatenate([masks - [[[0.0]], [[0.0]]], masks[1:]]).astype(np.float32)
    masks[0] = 1 - masks[1:].sum(0)
    merged = merge_duplicates(masks, np.array([TABLE, RED, RED]))
    assert merged.slots == [(1, 2)]
    assert (merged.probabilities.argmax(0) == 1).sum() == 100


def test_merging_goes_from_slot_to_slot() -> None:
    parts = [np.s_[20:30, 10 + 8 * i : 18 + 8 * i] for i in range(3)]
    chain = [np.cos(a) * RED + np.sin(a) * GREEN for a in (0.0, 0.4, 0.8)]
    merged = merge_duplicates(slots(*parts), np.array([TABLE, *chain], np.float32))
    assert merged.slots == [(1, 2, 3)]
    assert merged.duplicates_merged == 2


def test_the_latent_of_merged_slots_is_their_mean_by_size() -> None:
    merged = merge_duplicates(slots(np.s_[20:30, 10:40], np.s_[20:30, 40:50]), np.array([TABLE, RED, 0.5 * RED]))
    np.testing.assert_allclose(merged.latents[0], 0.875 * RED, rtol=1e-5)


def test_the_background_is_what_surrounds_the_objects_whichever_slot_it_is() -> None:
    large = np.s_[4:60, 4:60]
    merged = merge_duplicates(slots(large, rest=1), np.array([RED, TABLE]))
    assert merged.slots == [(0,)]
    assert (merged.probabilities.argmax(0) == 1).sum() == 56 * 56


def test_a_second_slot_of_the_background_becomes_background() -> None:
    merged = merge_duplicates(slots(np.s_[:20], LEFT), np.array([TABLE, TABLE, RED]))
    assert merged.slots == [(2,)]
    assert merged.duplicates_merged == 1


def test_what_is_too_small_is_no_object() -> None:
    merged = merge_duplicates(slots(LEFT, np.s_[50:53, 50:53]), np.array([TABLE, RED, GREEN]))
    assert merged.slots == [(1,)]
    assert merged.probabilities.shape == (2, 64, 64)


def test_what_is_too_unsure_is_no_object() -> None:
    masks = slots(LEFT, FAR, strength=0.6)
    latents = np.array([TABLE, RED, GREEN])
    masks[1] *= 1.5
    masks[0] = 1 - masks[1:].sum(0)
    assert merge_duplicates(masks, latents).slots == [(1,), (2,)]
    merged = merge_duplicates(masks, latents, DeduplicationSettings(min_confidence=0.7))
    assert merged.slots == [(1,)]
    assert (merged.probabilities.argmax(0) == 1).sum() == 100


def test_what_is_as_sure_as_is_asked_for_is_an_object() -> None:
    masks, latents = slots(LEFT, strength=0.75), np.array([TABLE, RED])
    assert merge_duplicates(masks, latents, DeduplicationSettings(min_confidence=0.75)).slots == [(1,)]
    assert merge_duplicates(masks, latents, DeduplicationSettings(min_confidence=0.76)).slots == []


def test_an_image_of_background_alone_has_no_objects() -> None:
    merged = merge_duplicates(slots(), np.array([TABLE]))
    assert merged.slots == [] and merged.latents.shape == (0, 16) and merged.duplicates_merged == 0


def test_the_order_of_slots_does_not_matter() -> None:
    masks, latents = slots(LEFT, RIGHT, FAR), np.array([TABLE, RED, RED, GREEN])
    order = [3, 1, 0, 2]
    merged = merge_duplicates(masks[order], latents[order])
    assert sorted(tuple(sorted(order[i] for i in group)) for group in merged.slots) == [(1, 2), (3,)]
    assert merged.duplicates_merged == 1


def test_one_slot_that_shows_two_objects_apart_becomes_two() -> None:
    masks = np.maximum(slots(LEFT)[1], slots(FAR)[1])
    merged = merge_duplicates(np.stack([1 - masks, masks]), np.array([TABLE, RED]))
    assert merged.slots == [(1,), (1,)] and merged.duplicates_merged == 0
    labels = merged.probabilities.argmax(0)
    assert sorted([labels[25, 15], labels[55, 55]]) == [1, 2] and np.bincount(labels.ravel())[1:].tolist() == [100, 100]
    np.testing.assert_allclose(merged.probabilities.sum(0), 1, rtol=1e-6)
    np.testing.assert_array_equal(merged.latents, [RED, RED])


def test_specks_of_an_object_stay_with_it() -> None:
    masks = np.maximum(slots(LEFT)[1], slots(np.s_[50:53, 50:53])[1])  # 9 pixels, of 100
    merged = merge_duplicates(np.stack([1 - masks, masks]), np.array([TABLE, RED]))
    assert merged.slots == [(1,)] and (merged.probabilities.argmax(0) == 1).sum() == 109


def test_parts_stay_together_where_that_is_asked_for() -> None:
    masks = np.maximum(slots(LEFT)[1], slots(FAR)[1])
    settings = DeduplicationSettings(part=1)
    assert merge_duplicates(np.stack([1 - masks, masks]), np.array([TABLE, RED]), settings).slots == [(1,)]


def test_latents_of_zeros_are_like_nothing() -> None:
    merged = merge_duplicates(slots(LEFT, RIGHT), np.zeros((3, 16), np.float32))
    assert merged.slots == [(1,), (2,)]


def test_settings_come_from_the_model_card_and_can_be_replaced() -> None:
    card = {"deduplication": {"cosine": 0.8, "min_area": 0.01}}
    settings = DeduplicationSettings.from_card(card, {"min_area": 0.02})
    assert settings == DeduplicationSettings(cosine=0.8, min_area=0.02)


def test_an_unknown_setting_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="'cosin'.*only cosine, presence, reach, min_area, part, chroma, min_confidence"
    ):
        DeduplicationSettings.from_card({"deduplication": {"cosin": 0.8}}, {})
