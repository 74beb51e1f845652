"""`lds segment`: images, a video and a bag in, labels, overlays and objects out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import bags
import cv2
import numpy as np
import pytest
from rosbags.rosbag1 import Writer
from typer.testing import CliRunner, Result

from datasets.scene import Scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene
from lds_cli.main import app
from lds_models.metrics.segmentation import contingency, miou

SIZE, VIEWS = 128, 3


@pytest.fixture(scope="module")
def scene() -> Scene:
    with TableRenderer(SIZE) as renderer:
        return make_scene(renderer, seed=21, index=1, views=VIEWS)


@pytest.fixture
def photos(tmp_path: Path, scene: Scene) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for name, image in zip(("a.png", "b.jpg", "inner/a.png"), scene.images, strict=True):
        cv2.imwrite(str(folder / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture
def segment(tmp_path: Path) -> Callable[..., Result]:
    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["segment", *map(str, arguments), "--out", str(tmp_path / "out")])

    return run


def objects(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "objects.jsonl").read_text().splitlines()]


def labels(folder: Path, name: str) -> np.ndarray:
    read = cv2.imread(str(folder / f"labels/{name}.png"), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16
    return read


def test_images_of_a_folder_are_segmented(segment, tmp_path: Path, photos: Path, scene: Scene) -> None:
    done = segment(photos)
    assert done.exit_code == 0, done.output
    lines = objects(tmp_path / "out")
    assert [line["image"] for line in lines] == ["a", "b", "inner/a"]
    for line, truth in zip(lines, scene.masks, strict=True):
        found = labels(tmp_path / "out", line["image"])
        assert sorted(each["id"] for each in line["objects"]) == sorted(set(np.unique(found)) - {0})
        assert all(each["area"] == (found == each["id"]).sum() for each in line["objects"])
        assert miou(contingency(truth[None], found[None].astype(int), 8, 64))[0] > 0.5
        assert cv2.imread(str(tmp_path / f"out/overlays/{line['image']}.jpg")).shape == (SIZE, SIZE, 3)
    assert not (tmp_path / "out/overlay.webm").exists()


def test_what_is_wrong_with_the_pictures_is_told_at_the_end(segment, photos: Path) -> None:
    assert "are dark" not in segment(photos).output
    for path in photos.rglob("*.*"):
        cv2.imwrite(str(path), (cv2.imread(str(path)) * 0.1).astype(np.uint8))
    shutil.rmtree(photos.parent / "out")
    done = segment(photos)
    assert done.exit_code == 0 and "3 of 3 pictures are dark" in done.output, done.output


def test_images_of_one_name_are_told_apart(segment, tmp_path: Path, photos: Path) -> None:
    shutil.copy(photos / "a.png", tmp_path / "a.png")
    assert segment(photos / "a.png", tmp_path / "a.png", photos / "b.jpg").exit_code == 0
    names = [line["image"] for line in objects(tmp_path / "out")]
    assert len(set(names)) == 3 and all((tmp_path / f"out/labels/{name}.png").exists() for name in names)


def test_an_unreadable_image_is_told_and_the_others_are_segmented(segment, tmp_path: Path, photos: Path) -> None:
    (photos / "b.jpg").write_bytes(b"no image")
    done = segment(photos)
    assert done.exit_code == 1 and "b was left out" in done.output and "1 of 3 pictures" in done.output
    assert [line["image"] for line in objects(tmp_path / "out")] == ["a", "inner/a"]


def test_objects_of_a_video_keep_their_ids(segment, tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "arm.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (SIZE, SIZE))
    for shift in range(6):
        video.write(cv2.cvtColor(np.roll(scene.images[0], shift, axis=1), cv2.COLOR_RGB2BGR))
    video.release()
    done = segment(path)
    assert done.exit_code == 0, done.output
    lines = objects(tmp_path / "out")
    assert [line["stamp"] for line in lines] == pytest.approx(np.arange(6) / 10)
    assert len({tuple(each["id"] for each in line["objects"]) for line in lines}) == 1
    overlay = cv2.VideoCapture(str(tmp_path / "out/overlay.webm"))
    assert overlay.get(cv2.CAP_PROP_FPS) == pytest.approx(10) and overlay.read()[1].shape == (SIZE, SIZE, 3)


def test_a_bags_images_are_segmented_with_their_stamps(segment, tmp_path: Path, scene: Scene) -> None:
    path = tmp_path / "table.bag"
    with Writer(path) as writer:
        kind = "sensor_msgs/msg/Image"
        camera = writer.add_connection("/camera/image_raw", kind, typestore=bags.store)
        other = writer.add_connection("/other/image_raw", kind, typestore=bags.store)
        for view, image in enumerate(scene.images):
            data = bags.store.serialize_ros1(bags.image(view / 5, image, "rgb8"), kind)
            writer.write(camera, (bags.START + view) * 10**9, data)
        writer.write(other, bags.START * 10**9, data)
    refused = segment(path)
    assert isinstance(refused.exception, ValueError) and "say with --topic which to take" in str(refused.exception)
    done = segment(path, "--topic", "/camera/image_raw")
    assert done.exit_code == 0, done.output
    lines = objects(tmp_path / "out")
    assert [line["stamp"] for line in lines] == pytest.approx(bags.START + np.arange(VIEWS) / 5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "no such file or folder"),
        (["empty"], "holds no images"),
        (["notes.txt"], "is no image"),
        (["broken.mp4"], "cannot be read as a video"),
        (["broken.bag"], "cannot be read as a ROS 1 bag"),
        (["photos", "broken.mp4"], "one at a time"),
        (["photos", "--topic", "/camera"], "--topic is of bags"),
        (["photos", "--weights", "no_such_weights"], "no_such_weights"),
    ],
)
def test_what_cannot_be_segmented_is_refused_in_words(
    segment, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("notes.txt", "broken.mp4", "broken.bag"):
        (tmp_path / name).write_text("nothing")
    monkeypatch.chdir(tmp_path)
    refused = segment(*arguments)
    assert isinstance(refused.exception, ValueError) and told in str(refused.exception)
    assert not (tmp_path / "out").exists()


def test_results_are_not_overwritten(segment, photos: Path) -> None:
    assert segment(photos).exit_code == 0
    again = segment(photos)
    assert isinstance(again.exception, ValueError) and "holds results already" in str(again.exception)
