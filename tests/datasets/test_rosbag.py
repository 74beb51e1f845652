from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bags
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from datasets.check import check_dataset
from datasets.loading import open_dataset
from datasets.rosbag.convert import BY_MOTION, FOUND_OUT, Names, convert_bag
from datasets.rosbag.messages import image_from_message
from datasets.rosbag.selection import Rules
from datasets.scene import DatasetError

HOLD, MOVE = 1.0, 1.0  # seconds that the arm rests at each place, and takes to the next


def rigid(rotvec: tuple, translation: tuple) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec(rotvec).as_matrix(), translation
    return pose


TOOL_CAMERA = rigid((0.1, -0.2, 0.3), (0.02, 0.05, 0.01))
WORLD_BASE = rigid((0, 0, 1.2), (-0.4, 0.1, 0.0))


def tool_at(time: float) -> np.ndarray:
    """The arm rests, then moves 0.1 m and 0.2 rad to the next place, and so on."""
    turns = time // (HOLD + MOVE) + max(0.0, time % (HOLD + MOVE) - HOLD) / MOVE
    return rigid((2.0, 0.2 * turns, 0), (0.3 + 0.1 * turns, 0, 0.5))


def camera_at(time: float) -> np.ndarray:
    return WORLD_BASE @ tool_at(time) @ TOOL_CAMERA


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (bags.HEIGHT, bags.WIDTH, 3), np.uint8)


@pytest.fixture
def records() -> list:
    """8 s at 10 images a second, four places."""
    images = np.arange(0.2, 7.8, 0.1)
    return bags.recording(tool_at, images, picture, np.arange(0.0, 8.01, 0.02), TOOL_CAMERA, WORLD_BASE)


@pytest.fixture
def convert(tmp_path: Path) -> Callable:
    def run(records: list, names: Names = FOUND_OUT, rules: Rules = BY_MOTION):
        bag = bags.write_bag(tmp_path / "table.bag", records)
        return convert_bag(bag, tmp_path / "out", names, rules), open_dataset(tmp_path / "out")

    return run


def test_a_view_is_taken_at_each_rest_with_its_pose_picture_and_intrinsics(convert, records):
    done, dataset = convert(records)
    scene = dataset[0]
    assert done.scenes == [4] and scene.num_views == 4
    assert done.used == Names("/camera/image_raw", "/camera/camera_info", None, "world", bags.FRAME, None)
    times = scene.stamps - bags.START
    for view, time in enumerate(times):
        np.testing.assert_allclose(scene.T_world_camera[view], camera_at(time), atol=1e-6)
        np.testing.assert_array_equal(scene.images[view], picture(round((time - 0.2) / 0.1)))
        assert time % (HOLD + MOVE) < HOLD
    np.testing.assert_allclose(scene.K[3], [[40, 0, 15.5], [0, 40, 11.5], [0, 0, 1]])
    np.testing.assert_allclose(scene.distortion, [0.1, -0.2, 0.001, 0.002, 0.05])
    assert scene.meta["world_frame"] == "world" and check_dataset(dataset).problems == []


def test_every_image_is_a_view_or_is_counted_with_a_reason(convert, records):
    done, _ = convert(records)
    assert sum(done.scenes) + sum(done.left_out.values()) == 76
    assert set(done.left_out) == {"the camera moves", "nearly the same place as the last view"}


def test_views_by_time_and_poses_interpolated_between_transforms(convert, records):
    """tf at 50 Hz, images in between while the arm moves: positions are linear, rotations a slerp."""
    done, dataset = convert(records, rules=Rules(every=0.5))
    scene = dataset[0]
    assert scene.num_views == 16 and np.diff(scene.stamps).min() > 0.49
    expected = np.stack([camera_at(stamp) for stamp in scene.stamps - bags.START])
    np.testing.assert_allclose(scene.T_world_camera, expected, atol=2e-6)


def test_poses_are_not_extrapolated(convert, records):
    kept = [r for r in records if r[1] != "/tf" or 1.0 <= r[0] <= 5.0]
    done, dataset = convert(kept, rules=Rules(every=0.1))
    assert done.left_out["tf does not reach to the image's stamp"] == 8 + 27
    assert dataset[0].stamps.min() - bags.START > 1 - 1e-6 and dataset[0].stamps.max() - bags.START < 5 + 1e-6


def test_silence_of_tf_is_not_bridged(convert, records):
    kept = [r for r in records if r[1] != "/tf" or not 2.01 < r[0] < 2.99]
    done, _ = convert(kept, rules=Rules(every=0.1))
    assert done.left_out["tf is silent for more than 0.25 s around the image's stamp"] == 9


def test_pauses_part_scenes(convert, records):
    by_pause = [r for r in records if not (r[1].startswith("/camera") and 3.5 < r[0] < 4.5)]
    done, dataset = convert(by_pause, rules=Rules(every=0.2, scene_gap=0.9))
    assert len(done.scenes) == len(dataset) == 2 and dataset.splits == {"train": 2}


def test_markers_part_scenes(convert, records):
    marker = bags.message("std_msgs/msg/Bool", data=True)
    marks = [(time, "/next_scene", marker) for time in (0.0, 2.05, 4.05)]
    done, dataset = convert(records + marks, Names(marker="/next_scene"), Rules(every=0.2))
    assert len(done.scenes) == 3
    assert dataset[1].stamps[0] - bags.START > 2.05 > dataset[0].stamps[-1] - bags.START


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_a_damaged_compressed_image_is_told(data):
    with pytest.raises(ValueError, match="format 'jpeg' cannot be read"):
        image_from_message(SimpleNamespace(format="jpeg", data=data))


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_compressed_images(convert, records, kind):
    def smooth(number: int) -> np.ndarray:
        ramp = np.linspace(0, 120, bags.WIDTH, dtype=np.uint8)
        return np.stack(np.broadcast_arrays(ramp, 120 - ramp, np.full((bags.HEIGHT, 1), number, np.uint8)), -1)

    encoded = []
    for number, time in enumerate(np.arange(0.2, 7.8, 0.1)):
        buffer = io.BytesIO()
        Image.fromarray(smooth(number)).save(buffer, kind, **({"quality": 97} if kind == "jpeg" else {}))
        encoded.append((time + 0.02, "/camera/image_raw/compressed", bags.compressed(time, buffer.getvalue(), kind)))
    done, dataset = convert(records + encoded)
    assert done.used.image == "/camera/image_raw/compressed" and done.used.camera_info == "/camera/camera_info"
    number = round((dataset[0].stamps[1] - bags.START - 0.2) / 0.1)
    assert np.abs(dataset[0].images[1].astype(int) - smooth(number)).mean() < (4 if kind == "jpeg" else 1e-9)


@pytest.mark.parametrize(("encoding", "dtype", "scale"), [("16UC1", np.uint16, 1000), ("32FC1", np.float32, 1)])
def test_depth_of_the_same_moment_goes_with_its_image(convert, records, encoding, dtype, scale):
    deep = np.full((bags.HEIGHT, bags.WIDTH), 0.75) * scale
    deep[0, 0] = np.nan if dtype == np.float32 else 0
    depth = [
        (time, "/camera/depth/image_raw", bags.image(time + 0.004, deep.astype(dtype), encoding))
        for time in np.arange(0.2, 4.0, 0.1)
    ]
    done, dataset = convert(records + depth, Names(depth="/camera/depth/image_raw"))
    assert dataset[0].depth[0, 0, 0] == 0 and abs(dataset[0].depth[0, 5, 5] - 0.75) < 1e-3
    assert done.left_out["has no depth of the same moment"] == 76 - 38


def test_a_damaged_picture_is_left_out_and_counted(convert, records):
    topic = "/camera/image_raw"
    broken = [
        (t, name, replace(m, data=m.data[:-8])) if name == topic and 2.1 < t < 3.0 else (t, name, m)
        for t, name, m in records
    ]
    done, dataset = convert(broken, rules=Rules(every=0.5))
    assert done.left_out["is damaged"] == 2 and sum(done.scenes) == 14 == dataset[0].num_views


def test_a_folder_of_bags_is_one_recording(tmp_path, records):
    for name, low, high in (("b.bag", 4.0, 9.0), ("a.bag", 0.0, 4.0)):
        part = [r for r in records if low <= r[0] < high or r[1] == "/tf_static"]
        bags.write_bag(tmp_path / "bags" / name, [(max(t, low), topic, m) for t, topic, m in part])
    done = convert_bag(tmp_path / "bags", tmp_path / "out")
    assert done.scenes == [4]


def test_rectified_images_have_no_distortion(convert, records):
    renamed = [(t, topic.replace("image_raw", "image_rect_color"), m) for t, topic, m in records]
    done, dataset = convert(renamed)
    assert done.used.image == "/camera/image_rect_color" and not dataset[0].distortion.any()


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        (lambda r: [x for x in r if x[1] != "/camera/image_raw"], Names(), "has no image topic"),
        (lambda r: r, Names(image="/nope"), "has no topic /nope (--image)"),
        (lambda r: r, Names(image="/tf"), "/tf (--image) is of type tf2_msgs/TFMessage, not sensor_msgs/Image"),
        (
            lambda r: r + [(1.0, "/other/image", bags.image(1.0, picture(0), "rgb8"))],
            Names(),
            "has 2 image topics (/camera/image_raw, /other/image); say with --image",
        ),
        (lambda r: [x for x in r if x[1] != "/camera/camera_info"], Names(), "has no camera_info"),
        (lambda r: [x for x in r if not x[1].startswith("/tf")], Names(), "tf knows no frame 'camera_optical_frame'"),
        (lambda r: r, Names(world="map"), "tf knows no frame 'map' (--world), it knows base_link, camera_optical"),
        (lambda r: [x for x in r if x[1] != "/tf"], Names(), "tf does not connect 'world' and 'camera_optical_frame'"),
        (lambda r: r + [(9.0, "/camera/camera_info", bags.camera_info(9.0, focal=50))], Names(), "intrinsics change"),
        (
            lambda r: [(t, n, bags.camera_info(t, D=(1, 2, 0, 0, 0, 3, 4, 5)) if "info" in n else m) for t, n, m in r],
            Names(),
            "lens distortion 'plumb_bob' with D = [",
        ),
        (
            lambda r: [(t, n, bags.image(t, picture(0)[..., 0], "bayer_rggb8") if "raw" in n else m) for t, n, m in r],
            Names(),
            "images of encoding 'bayer_rggb8' are not taken",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_topics_there_are(convert, records, change, names, words):
    with pytest.raises(DatasetError) as error:
        convert(change(records), names)
    assert words in str(error.value) and "table.bag: " in str(error.value)
    assert "Its topics: " in str(error.value)


def test_files_that_are_no_bags(tmp_path):
    (tmp_path / "text.bag").write_text("hello")
    (tmp_path / "empty").mkdir()
    wrong = {"text.bag": "cannot be read as a ROS 1 bag", "empty": "holds no", "none.bag": "no such bag"}
    for path, words in wrong.items():
        with pytest.raises(DatasetError, match=f"{path}: .*{words}"):
            convert_bag(tmp_path / path, tmp_path / "out")


def test_a_truncated_bag_gives_one_error(tmp_path, records):
    bag = bags.write_bag(tmp_path / "table.bag", records)
    bag.write_bytes(bag.read_bytes()[:20000])
    with pytest.raises(DatasetError, match="table.bag"):
        convert_bag(bag, tmp_path / "out")


def test_a_dataset_is_not_overwritten(convert, records):
    done, dataset = convert(records)
    with pytest.raises(DatasetError, match="holds scenes already"):
        convert_bag(dataset.root.parent / "table.bag", dataset.root)


@pytest.mark.skipif(shutil.which("rosbag") is None, reason="no ROS")
def test_a_bag_written_by_ros_itself(tmp_path):
    script = """
import sys, rosbag, rospy, numpy as np
from sensor_msgs.msg import CameraInfo, Image
from geometry_msgs.msg import TransformStamped
from tf2_msgs.msg import TFMessage
with rosbag.Bag(sys.argv[1], "w", compression="bz2") as bag:
    for i in range(40):
        now = rospy.Time.from_sec(1000 + 0.1 * i)
        t = TransformStamped(child_frame_id="cam"); t.header.stamp, t.header.frame_id = now, "base_link"
        t.transform.translation.x, t.transform.rotation.w = 0.05 * (i // 10), 1
        bag.write("/tf", TFMessage([t]), now)
        image = Image(height=2, width=3, encoding="bgr8", step=9, data=bytes([i, 2, 3] * 6))
        info = CameraInfo(height=2, width=3, distortion_model="plumb_bob", D=[0] * 5, K=[5, 0, 1, 0, 5, 0.5, 0, 0, 1])
        for topic, message in (("/cam/image", image), ("/cam/camera_info", info)):
            message.header.stamp, message.header.frame_id = now, "cam"
            bag.write(topic, message, now)
"""
    subprocess.run([sys.executable, "-c", script, tmp_path / "ros.bag"], check=True)
    done = convert_bag(tmp_path / "ros.bag", tmp_path / "out")
    scene = open_dataset(tmp_path / "out")[0]
    assert done.scenes == [4] and done.used.world == "base_link"
    np.testing.assert_allclose(scene.T_world_camera[:, 0, 3], [0, 0.05, 0.1, 0.15], atol=1e-9)
    assert scene.images[0, 0, 0].tolist() == [3, 2, round((scene.stamps[0] - 1000) * 10)]
