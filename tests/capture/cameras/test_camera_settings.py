"""Camera settings in YAML: the shipped ones load, and a bad one is told by file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from capture.cameras.opening import open_camera
from capture.cameras.settings import RealSenseSettings, RosTopicSettings, WebcamSettings, load_camera
from capture.quality import QualityLimits
from capture.settings_file import SettingsError

ROOT = Path(__file__).resolve().parents[3]


def test_every_shipped_camera_loads() -> None:
    kinds = {"realsense": RealSenseSettings, "ros_topic": RosTopicSettings, "webcam": WebcamSettings}
    for name in sorted(path.stem for path in (ROOT / "config" / "cameras").glob("*.yaml")):
        assert type(load_camera(name)) is kinds.get(name, RosTopicSettings)


def test_the_simulated_camera_has_depth_and_truth() -> None:
    assert load_camera("simulated") == RosTopicSettings(
        image="/camera/image_raw",
        camera_info="/camera/camera_info",
        depth="/camera/depth/image_raw",
        masks="/camera/masks",
        serial="simulated",
    )


def test_a_camera_may_have_its_own_limits_of_quality(tmp_path: Path) -> None:
    file = tmp_path / "soft_lens.yaml"
    file.write_text("kind: webcam\nquality: {min_sharpness: 18}\n")
    assert load_camera(str(file)).quality == QualityLimits(min_sharpness=18.0)


def test_settings_that_are_left_out_have_their_defaults(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("kind: webcam\ndevice: 2\nfps: 15\n")
    assert load_camera(str(file)) == WebcamSettings(device="2", fps=15.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: webcam\nwidht: 3\n", "a webcam camera has no setting 'widht'; there are device, width"),
        ("kind: webcam\nfps: fast\n", "fps: .*'fast'"),
        ("kind: webcam\nfps: 0\n", "fps must be more than 0, got 0"),
        ("kind: webcam\nfps: .nan\n", "fps must be more than 0, got nan"),
        ("kind: webcam\nlatency: -1\n", "latency must be 0 or more, got -1"),
        ("kind: webcam\nexposure: [1]\n", "exposure: "),
        ("kind: webcam\nwidth:\n", "width: "),
        ("kind: ros_topic\nimage: my topic\n", "image: 'my topic' is no name of a topic"),
        ("kind: webcam\nquality: {sharp: 3}\n", "sharp"),
        ("kind: kinect\n", "kind is 'kinect'; choose from ros_topic, webcam, realsense"),
        ("device: 0\n", "kind is 'None'; choose from"),
        ("- kind\n", "holds no 'key: value' lines"),
        ("kind: [", "is no valid YAML"),
    ],
)
def test_a_bad_setting_is_told_by_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words) as error:
        load_camera(str(file))
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match="'kinect'.*config/cameras: .*realsense, ros_topic, simulated, webcam"):
        load_camera("kinect")


def test_settings_become_the_camera_that_they_describe() -> None:
    camera = open_camera(WebcamSettings())
    assert (camera.kind, camera.serial, camera.intrinsics) == ("webcam", "", None)
