from __future__ import annotations

import dataclasses
import errno
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import SIZE, VIEWS
from PIL import Image

from datasets.browse import write_pages
from datasets.loading import open_dataset
from datasets.palette import object_colours
from datasets.recorded import write_scene
from datasets.scene import DatasetError, Scene
from datasets.table_grid import grid_step, picture_path


@pytest.fixture
def recorded(tmp_path: Path, drawn_scene: Scene) -> Path:
    """Two recorded scenes: one with all that a recorder leaves, one with pictures alone."""
    root = tmp_path / "set"
    meta = {"skipped_views": [{"view": 2, "reason": "blurred </script> & so on"}], "view_numbers": [0, 1, 3, 4]}
    quality = {"quality/sharpness": np.array([9.0, np.nan, 11, 12])}
    facts = {"robot": "ur5e", "hand_eye_rms_px": 0.31, "T_world_base": [1.0] * 16}
    write_scene(root / "scene_000000.h5", dataclasses.replace(drawn_scene, meta=meta), facts, quality)
    write_scene(root / "scene_000001.h5", Scene("scene_000001", 255 - drawn_scene.images))
    (root / "journals").mkdir()
    events = [
        {"time": 1.7e9, "event": "stored", "view": 0},
        {"time": 1.7e9 + 2, "event": "skipped", "reason": "blurred"},
    ]
    lines = [json.dumps(event) for event in events] + ['{"time": 17, "ev']
    (root / "journals" / "scene_000000.jsonl").write_text("\n".join(lines))
    return root


def told(page: Path) -> dict:
    """What a scene's page hands to its script."""
    return json.loads(re.search(r'id="scene">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_every_scene_and_view_has_its_page_and_pictures(recorded, tmp_path):
    done = []
    index = write_pages(open_dataset(recorded), tmp_path / "pages", done.append)
    assert sum(done) == 2 and index == tmp_path / "pages" / "index.html"
    for scene in ("000000", "000001"):
        assert f'href="{scene}.html"' in index.read_text()
        assert len(told(index.parent / f"{scene}.html")["views"]) == VIEWS
        for view in range(VIEWS):
            assert Image.open(index.parent / scene / f"{view}.jpg").size == (SIZE, SIZE)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_scenes_of_few_views_have_pages_too(tmp_path, drawn_scene, views):
    write_scene(tmp_path / "set" / "scene_000000.h5", Scene("scene_000000", drawn_scene.images[:views]))
    index = write_pages(open_dataset(tmp_path / "set"), tmp_path / "pages")
    rows, columns = -(-views // 2), min(views, 2)
    width, height = Image.open(index.parent / "000000" / "preview.jpg").size
    assert width * rows == height * columns, "one square for each view"


def test_pages_need_nothing_but_their_folder(recorded, tmp_path):
    index = write_pages(open_dataset(recorded), tmp_path / "pages")
    pages = sorted(index.parent.glob("*.html"))
    assert len(pages) == 3
    for page in pages:
        links = re.findall(r'(?:src|href)="([^"]+)"', page.read_text())
        assert links and all((page.parent / link).is_file() for link in links)


def test_a_scenes_page_tells_what_was_recorded(recorded, tmp_path):
    page = write_pages(open_dataset(recorded), tmp_path / "pages").parent / "000000.html"
    text, views = page.read_text(), told(page)["views"]
    assert "blurred &lt;/script&gt; &amp; so on" in text and "ur5e" in text and "0.31" in text
    assert "2 events" in text and "22:13:22.000" in text
    assert [view["number"] for view in views] == [0, 1, 3, 4]
    assert [view["quality"] for view in views] == [[9.0], [None], [11.0], [12.0]]
    assert views[2]["since"] == 1.0 and views[0]["stamp"] == "2023-11-14 22:13:20.000"


def test_masks_are_transparent_pictures_in_the_objects_colours(recorded, tmp_path, drawn_scene):
    folder = write_pages(open_dataset(recorded), tmp_path / "pages").parent / "000000"
    picture = np.asarray(Image.open(folder / "1_mask.png").convert("RGBA"))
    mask = drawn_scene.masks[1]
    assert not picture[mask == 0, 3].any() and (picture[mask > 0, 3] > 0).all()
    for i, colour in enumerate(object_colours(3)):
        assert (picture[mask == i + 1, :3] == colour).all()


def test_what_a_scene_lacks_is_left_out(recorded, tmp_path):
    page = write_pages(open_dataset(recorded), tmp_path / "pages").parent / "000001.html"
    text, viewer = page.read_text(), told(page)
    assert viewer["world"] is None and not viewer["has_masks"] and "grid" not in viewer["views"][0]
    for missing in ("canvas", "show_masks", "show_grid", "Journal", "Skipped"):
        assert missing not in text


def test_datasets_of_other_formats(official, tmp_path):
    index = write_pages(open_dataset(official()), tmp_path / "pages")
    assert told(index.parent / "000002.html")["has_masks"]


def test_unreadable_and_unfinished_scenes_are_told(recorded, tmp_path):
    (recorded / "scene_000001.h5").write_bytes(b"no")
    (recorded / "scene_000002.partial").mkdir()
    text = write_pages(open_dataset(recorded), tmp_path / "pages").read_text()
    assert "scene_000001.h5: is truncated" in text and "scene_000002.partial" in text
    assert f"lds capture resume {recorded}" in text and 'href="000000.html"' in text


def test_pages_go_nowhere_they_cannot(recorded, tmp_path):
    with pytest.raises(DatasetError, match="dataset's own folder"):
        write_pages(open_dataset(recorded), recorded)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="file: cannot be written"):
        write_pages(open_dataset(recorded), tmp_path / "file")


def test_a_disk_that_is_full_is_told_with_what_did_not_fit(recorded, tmp_path, monkeypatch):
    def full(original, copy):  # as copyfile tells it
        raise OSError(errno.ENOSPC, "No space left on device", str(original), None, str(copy))

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DatasetError, match=rf"^{tmp_path}/pages/\w+.css: cannot be written .No space left"):
        write_pages(open_dataset(recorded), tmp_path / "pages")


def test_the_grid_falls_where_opencv_projects_it(drawn_scene):
    lens = np.array([0.05, -0.02, 0.001, 0.002, 0.0])
    scene = dataclasses.replace(drawn_scene, distortion=lens)
    line = np.array([[[-1.0, 0.5, 0], [1.0, 0.5, 0]]])
    drawn = np.array([part.split() for part in re.split("[ML]", picture_path(scene, 1, line))[1:]], float)
    pose = np.linalg.inv(scene.T_world_camera[1])
    along = np.linspace(line[0, 0], line[0, 1], len(drawn))
    expected = cv2.projectPoints(along, cv2.Rodrigues(pose[:3, :3])[0], pose[:3, 3], scene.K[1], lens)[0][:, 0]
    np.testing.assert_allclose(drawn, expected, atol=0.051)


def test_lines_behind_the_camera_are_not_drawn(drawn_scene):
    behind = drawn_scene.T_world_camera[0, :3, 3] - np.outer([1, 2], drawn_scene.T_world_camera[0, :3, 2])
    assert picture_path(drawn_scene, 0, behind[None]) == ""


@pytest.mark.parametrize(("scale", "step"), [(0.06, 0.1), (1, 1.0), (10, 10.0)])
def test_the_grid_is_10_cm_on_a_table_and_wider_in_larger_worlds(drawn_scene, scale, step):
    poses = drawn_scene.T_world_camera.copy()
    poses[:, :3, 3] *= scale
    assert grid_step(dataclasses.replace(drawn_scene, T_world_camera=poses)) == pytest.approx(step)
