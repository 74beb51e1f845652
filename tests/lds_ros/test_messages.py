"""Our conversion of image messages, with Debian's cv_bridge (in its own Python, with its own numpy) as the peer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from lds_ros.messages import (
    IMAGE_ENCODINGS,
    camera_info_message,
    depth_from_message,
    depth_message,
    image_from_message,
    image_message,
    intrinsics_from_message,
    label_message,
    labels_from_message,
    transform_message,
)

CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "8UC1": 1, "8UC3": 3}

PEER = """
import sys, numpy as np
from cv_bridge import CvBridge
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
bridge, folder = CvBridge(), sys.argv[1]
for encoding in sys.argv[2:]:
    pixels = np.load(f"{folder}/{encoding}.npy")
    with open(f"{folder}/{encoding}.msg", "wb") as file:
        bridge.cv2_to_imgmsg(pixels, encoding).serialize(file)
    colour = "passthrough" if encoding.startswith("8U") else "rgb8"
    np.save(f"{folder}/{encoding}_rgb.npy", bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(pixels, encoding), colour))
for encoding in ("16UC1", "32FC1"):
    with open(f"{folder}/{encoding}.msg", "wb") as file:
        bridge.cv2_to_imgmsg(np.load(f"{folder}/{encoding}.npy"), encoding).serialize(file)
for name in ("image", "label", "depth"):
    message = Image()
    message.deserialize(open(f"{folder}/{name}.msg", "rb").read())
    np.save(f"{folder}/{name}.npy", bridge.imgmsg_to_cv2(message))
"""


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def header() -> Header:
    made = Header(frame_id="camera")
    made.stamp.secs, made.stamp.nsecs = 12, 345
    return made


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with messages that cv_bridge made of ENCODING.npy, and arrays that it read out of ours."""
    folder = tmp_path_factory.mktemp("cv_bridge")
    system = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    python = ["/usr/bin/python3"]
    if subprocess.run([*python, "-c", "import cv_bridge, sensor_msgs.msg"], env=system, capture_output=True).returncode:
        pytest.skip("Debian's cv_bridge is not installed: ./run test installs it")
    for encoding, channels in CHANNELS.items():
        np.save(folder / f"{encoding}.npy", picture(7, 5, channels).squeeze())
    np.save(folder / "32FC1.npy", depth())
    np.save(folder / "16UC1.npy", np.rint(1000 * np.nan_to_num(depth())).astype(np.uint16))
    ours = {
        "image": image_message(picture(7, 5, 3), header()),
        "label": label_message(labels(), header()),
        "depth": depth_message(np.nan_to_num(depth()), header()),
    }
    for name, message in ours.items():
        with (folder / f"{name}.msg").open("wb") as file:
            message.serialize(file)
    subprocess.run([*python, "-c", PEER, str(folder), *CHANNELS], env=system, check=True)
    return folder


def labels() -> np.ndarray:
    return np.arange(35, dtype=np.int32).reshape(7, 5) * 100_000


def depth() -> np.ndarray:
    """Whole millimetres up to 64 m, in metres; unknown (NaN) in one place."""
    made = np.random.default_rng(0).integers(1, 2**16, (7, 5)).astype(np.float32) / 1000
    made[2, 3] = np.nan
    return made


def test_every_encoding_that_is_taken_is_tested() -> None:
    assert set(CHANNELS) == set(IMAGE_ENCODINGS)


@pytest.mark.parametrize("encoding", CHANNELS)
def test_images_are_read_as_cv_bridge_reads_them(peer: Path, encoding: str) -> None:
    message = Image()
    message.deserialize((peer / f"{encoding}.msg").read_bytes())
    theirs = np.load(peer / f"{encoding}_rgb.npy")
    if encoding == "8UC3":
        theirs = theirs[..., ::-1]  # as OpenCV lays them out, which cv_bridge leaves to the user
    if theirs.ndim == 2:
        theirs = np.repeat(theirs[..., None], 3, axis=2)
    np.testing.assert_array_equal(image_from_message(message), theirs)


def test_cv_bridge_reads_what_we_write(peer: Path) -> None:
    np.testing.assert_array_equal(np.load(peer / "image.npy"), picture(7, 5, 3))
    np.testing.assert_array_equal(np.load(peer / "label.npy"), labels())
    np.testing.assert_array_equal(np.load(peer / "depth.npy"), depth())


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_that_cv_bridge_writes_is_read_in_metres_with_zero_for_unknown(peer: Path, encoding: str) -> None:
    message = Image()
    message.deserialize((peer / f"{encoding}.msg").read_bytes())
    read = depth_from_message(message)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, np.nan_to_num(depth()), rtol=1e-6)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_whatever_drivers_write_for_unknown_depth_is_read_as_zero(unknown: float) -> None:
    far = Image(header(), 1, 2, "32FC1", 0, 8, np.array([unknown, 2.5], "<f4").tobytes())
    np.testing.assert_array_equal(depth_from_message(far), [[0, 2.5]])


def test_depth_is_read_in_the_byte_order_that_the_message_names() -> None:
    message = Image(header(), 1, 2, "16UC1", 1, 4, np.array([0, 1234], ">u2").tobytes())
    np.testing.assert_allclose(depth_from_message(message), [[0, 1.234]])


def test_depth_keeps_its_numbers_from_us_to_us() -> None:
    known = np.nan_to_num(depth())
    np.testing.assert_array_equal(depth_from_message(depth_message(known, header())), known)


def test_colour_images_are_no_depth() -> None:
    with pytest.raises(ValueError, match="32FC1 .metres. or 16UC1 .millimetres.*'rgb8'"):
        depth_from_message(image_message(picture(7, 5, 3), header()))


def test_padding_at_the_end_of_rows_is_left_out() -> None:
    padded = np.concatenate([picture(7, 15), np.full((7, 4), 99, np.uint8)], axis=1)
    message = Image(header(), 7, 5, "rgb8", 0, 19, padded.tobytes())
    np.testing.assert_array_equal(image_from_message(message), picture(7, 15).reshape(7, 5, 3))


@pytest.mark.parametrize(("is_bigendian", "dtype"), [(0, "<i4"), (1, ">i4")])
def test_labels_are_read_in_the_byte_order_that_the_message_names(is_bigendian: int, dtype: str) -> None:
    message = Image(header(), 7, 5, "32SC1", is_bigendian, 20, labels().astype(dtype).tobytes())
    read = labels_from_message(message)
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels())


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (Image(header(), 2, 2, "yuv422", 0, 4, bytes(8)), "'yuv422' are not taken, only rgb8, bgr8"),
        (Image(header(), 2, 2, "32FC3", 0, 24, bytes(48)), "'32FC3'"),
        (Image(header(), 2, 2, "rgb8", 0, 6, bytes(11)), "rgb8 image of 2 x 2.*11 bytes.*needs height x step = 12"),
        (Image(header(), 2, 2, "rgb8", 0, 5, bytes(10)), "rows .step. of 5 bytes, and needs 6"),
        (Image(header(), 0, 2, "rgb8", 0, 6, b""), "empty"),
    ],
    ids=["unknown encoding", "float", "truncated", "short rows", "empty"],
)
def test_a_bad_image_is_told_in_one_line(message: Image, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        image_from_message(message)
    assert "\n" not in str(error.value)


def test_colour_images_are_no_labels() -> None:
    with pytest.raises(ValueError, match="32SC1.*'rgb8'"):
        labels_from_message(image_message(picture(7, 5, 3), header()))


def test_the_cameras_pose_keeps_its_numbers() -> None:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], (0.1, 0.2, 0.3)  # a quarter turn about z
    message = transform_message(pose, "world", header())
    rotation, translation = message.transform.rotation, message.transform.translation
    assert (message.header.frame_id, message.child_frame_id) == ("world", "camera")
    assert (rotation.x, rotation.y, rotation.z, rotation.w) == pytest.approx((0, 0, 0.5**0.5, 0.5**0.5))
    assert (translation.x, translation.y, translation.z) == pytest.approx((0.1, 0.2, 0.3))


def test_camera_info_holds_the_intrinsics() -> None:
    K = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])
    info = camera_info_message(K, 480, 640, header())
    assert (info.height, info.width, info.distortion_model) == (480, 640, "plumb_bob")
    assert tuple(info.K) == tuple(K.ravel())
    np.testing.assert_array_equal(np.reshape(info.P, (3, 4)), np.column_stack([K, np.zeros(3)]))


def test_camera_info_and_back_keeps_the_lens() -> None:
    distortion = np.array([0.1, -0.2, 0.001, -0.002, 0.03])
    read = intrinsics_from_message(camera_info_message(K, 480, 640, header(), distortion))
    np.testing.assert_array_equal(read[0], K)
    np.testing.assert_array_equal(read[1], distortion)


K = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])


def info(**fields: object) -> CameraInfo:
    message = camera_info_message(K, 480, 640, header())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("model", "terms"),
    [
        ("plumb_bob", [0.1, -0.2, 0.01, 0.02, 0.3]),
        ("plumb_bob", [0.1, -0.2, 0.01, 0.02]),
        ("rational_polynomial", [0.1, -0.2, 0.01, 0.02, 0.3, 0, 0, 0]),
        ("", []),
    ],
)
def test_distortion_is_read_in_opencvs_order(model: str, terms: list[float]) -> None:
    read_K, distortion = intrinsics_from_message(info(distortion_model=model, D=terms))
    np.testing.assert_array_equal(read_K, K)
    np.testing.assert_array_equal(distortion, [*terms, 0, 0, 0, 0, 0][:5])


@pytest.mark.parametrize(
    ("model", "terms"), [("rational_polynomial", [0.1, 0, 0, 0, 0, 0.5, 0, 0]), ("equidistant", [0.0] * 4)]
)
def test_distortion_that_five_terms_do_not_express_is_refused(model: str, terms: list[float]) -> None:
    with pytest.raises(ValueError, match=f"'{model}'.*only plumb_bob.*image_proc"):
        intrinsics_from_message(info(distortion_model=model, D=terms))


def test_rectified_images_have_the_projection_and_no_distortion() -> None:
    projection = np.array([[480.0, 0, 310, 0], [0, 480, 230, 0], [0, 0, 1, 0]])
    read_K, distortion = intrinsics_from_message(info(D=[0.1, 0, 0, 0, 0], P=projection.ravel().tolist()), True)
    np.testing.assert_array_equal(read_K, projection[:, :3])
    assert not distortion.any()


def test_an_uncalibrated_camera_says_nothing() -> None:
    assert intrinsics_from_message(info(K=[0.0] * 9)) is None


@pytest.mark.parametrize(("index", "value"), [(0, float("nan")), (0, -480.0), (4, 0.0), (2, float("inf"))])
def test_numbers_that_no_lens_has_are_refused(index: int, value: float) -> None:
    K = [480.0, 0, 310, 0, 480, 230, 0, 0, 1]
    K[index] = value
    with pytest.raises(ValueError, match="camera_info cannot be of a lens"):
        intrinsics_from_message(info(K=K))


@pytest.mark.parametrize("fields", [{"binning_x": 2}, {"roi": RegionOfInterest(x_offset=8, width=320, height=240)}])
def test_cropped_and_binned_images_are_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match="crops or bins"):
        intrinsics_from_message(info(**fields))
