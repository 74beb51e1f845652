"""What scenes are called, and what is no such name."""

from __future__ import annotations

import pytest

from datasets.scene_names import scene_name, scene_number


@pytest.mark.parametrize("number", [0, 7, 123456, 1234567])
def test_a_scenes_number_is_read_from_its_name(number: int) -> None:
    assert scene_number(scene_name(number)) == number


@pytest.mark.parametrize("name", ["scene_", "scene_7_old", "scene_7.h5", "my_scene_7", "split/scene_7", "scene_-7"])
def test_what_is_no_scenes_name_has_no_number(name: str) -> None:
    assert scene_number(name) is None
