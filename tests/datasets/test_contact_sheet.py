from __future__ import annotations

import dataclasses

import numpy as np
from drawn import VIEWS
from many_scenes import HEIGHT, WIDTH, write_emorl
from PIL import Image

from datasets.contact_sheet import GAP, GUTTER, MARGIN, TIGHT, TILE, save_contact_sheet
from datasets.loading import open_dataset
from datasets.palette import object_colours
from datasets.recorded import write_scene


def test_shows_every_view_with_its_masks(official, tmp_path):
    assert save_contact_sheet(open_dataset(official()), tmp_path / "sheet.png") == 3
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 2 * MARGIN + GUTTER + VIEWS * (TILE + TIGHT) - TIGHT
    tiles = sheet[:, MARGIN + GUTTER :]
    for colour in object_colours(3):
        assert (tiles == colour).all(-1).sum() > 20, "outlines are drawn in the object's full colour"


def test_limits_scenes_and_views(official, tmp_path):
    assert save_contact_sheet(open_dataset(official()), tmp_path / "sheet.png", scenes=2, views=3) == 2
    assert Image.open(tmp_path / "sheet.png").width == 2 * MARGIN + GUTTER + 3 * (TILE + TIGHT) - TIGHT


def test_scenes_without_masks_or_with_wide_images(tmp_path, drawn_scene):
    bare = dataclasses.replace(drawn_scene, masks=None, amodal_masks=None, objects=[], depth=None)
    write_scene(tmp_path / "set" / "scene_000000.h5", dataclasses.replace(bare, images=bare.images[:, :20]))
    assert save_contact_sheet(open_dataset(tmp_path / "set"), tmp_path / "sheet.png") == 1


def test_scenes_of_one_view_stand_beside_each_other(tmp_path):
    write_emorl(tmp_path / "clevr6.h5", {"train": 6})
    assert save_contact_sheet(open_dataset(tmp_path), tmp_path / "sheet.png", scenes=6) == 6
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.width == 2 * MARGIN + 4 * (GUTTER + TILE) + 3 * GAP
    tile = round(TILE * HEIGHT / WIDTH)
    assert sheet.height == MARGIN + 66 + 2 * (2 * tile + TIGHT) + GAP + MARGIN


def test_colours_of_objects_are_distinct_and_do_not_depend_on_their_number():
    colours = object_colours(40)
    assert len(np.unique(colours, axis=0)) == 40
    np.testing.assert_array_equal(object_colours(5), colours[:5])
    assert object_colours(0).shape == (0, 3)
