"""The segmentation node as its users meet it: a process that takes images from a topic and publishes what it finds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from diagnostic_msgs.msg import DiagnosticStatus
from lds_scenes.msg import SegmentedScene
from lds_scenes.srv import Segment
from segmentation_rig import (
    HEIGHT,
    SQUARES,
    WIDTH,
    Camera,
    Listener,
    answered,
    bad_image,
    diagnostics_of,
    health_with,
    newest_status,
    value,
)
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from datasets.loading import open_dataset
from lds_models.weights import find_weights, load_weights
from lds_ros.messages import image_from_message, image_message, labels_from_message
from perception.agreement import image_miou

WEIGHTS = "monet_lds_table"


@pytest.fixture(scope="module")
def node(ros: None, start_node) -> subprocess.Popen:
    return start_node("segmentation_node.py", "segmentation", weights=WEIGHTS, threads=1)


@pytest.fixture(scope="module")
def camera(node: subprocess.Popen) -> Camera:
    return Camera("/segmentation")


@pytest.fixture(scope="module")
def health(node: subprocess.Popen) -> Listener:
    return diagnostics_of("segmentation")


@pytest.fixture
def labels(node: subprocess.Popen) -> Iterator[Listener]:
    listener = Listener("/segmentation/label", Image)
    yield listener
    listener.close()


@pytest.fixture
def objects(node: subprocess.Popen) -> Iterator[Listener]:
    listener = Listener("/segmentation/objects", SegmentedScene)
    yield listener
    listener.close()


def assert_squares(scene: SegmentedScene) -> None:
    """The objects of a scene are the camera's two squares."""
    boxes = [(o.box.x_offset, o.box.y_offset, o.box.width, o.box.height) for o in scene.objects]
    np.testing.assert_allclose(sorted(boxes), sorted(SQUARES), atol=2)


def test_labels_and_objects_have_the_images_header_and_agree(
    camera: Camera, labels: Listener, objects: Listener
) -> None:
    label = answered(camera, labels)
    scene = wait_for("the objects", lambda: objects.with_stamp(label.header.stamp) or answered(camera, objects))
    for message in (label, scene):
        assert message.header.frame_id == "test_camera"
    assert label.encoding == "32SC1" and (label.height, label.width) == (HEIGHT, WIDTH)
    assert (scene.image_height, scene.image_width, scene.model) == (HEIGHT, WIDTH, WEIGHTS)
    label = labels.with_stamp(scene.header.stamp) or label
    found = labels_from_message(label)
    assert image_miou(camera.truth, found) > 0.9
    assert_squares(scene)
    assert {o.id: o.area for o in scene.objects} == {int(i): int((found == i).sum()) for i in np.unique(found) if i}


def test_bad_frames_are_counted_and_told_and_the_next_good_one_is_segmented(
    camera: Camera, labels: Listener, health: Listener
) -> None:
    answered(camera, labels)
    nan = np.full((HEIGHT, WIDTH, 3), np.nan, np.float32)
    bad = {
        "encoding 'yuv422'": bad_image("yuv422", 2 * WIDTH, bytes(2 * WIDTH * HEIGHT)),
        "bytes of data": bad_image("rgb8", 3 * WIDTH, bytes(100)),
        "encoding '32FC3'": bad_image("32FC3", 12 * WIDTH, nan.tobytes()),
    }
    for count, (words, message) in enumerate(bad.items(), start=1):
        camera.show(message)
        status = wait_for(f"the count of {words}", health_with(health, "bad frames", str(count)))
        assert status.level == DiagnosticStatus.WARN
        assert words in value(status, "last error") and "/segmentation/image" in status.message
    answered(camera, labels)


def test_only_the_newest_frame_is_worked_on_when_frames_come_too_fast(camera: Camera, labels: Listener) -> None:
    answered(camera, labels)
    large = image_message(np.tile(camera.picture, (15, 20, 1)), Header())
    sent = []
    until = time.monotonic() + 3
    while time.monotonic() < until:
        sent.append(camera.show(large))
        time.sleep(1 / 120)
    before = len(labels.messages)
    wait_for("labels of the last frame", lambda: labels.with_stamp(sent[-1]))
    time.sleep(0.5)
    stamps = [m.header.stamp for m in labels.messages if m.header.stamp in set(sent)]
    assert stamps == sorted(stamps) and stamps[-1] == sent[-1]
    assert len(labels.messages) - before <= 5  # no old frames left to work through
    assert len(stamps) < len(sent)


def test_nothing_is_received_while_nobody_listens(camera: Camera, health: Listener) -> None:
    wait_for("the end of the subscription", lambda: not camera.is_heard)
    start = len(health.messages)
    wait_for("diagnostics", lambda: len(health.messages) > start + 1)
    status = newest_status(health)
    assert status.level == DiagnosticStatus.OK and status.message == "idle: nobody listens"
    for topic, kind in (("label", Image), ("points", PointCloud2), ("markers", MarkerArray)):
        listener = Listener(f"/segmentation/{topic}", kind)
        wait_for(f"the subscription for {topic}", lambda: camera.is_heard)
        listener.close()
        wait_for("its end", lambda: not camera.is_heard)


def test_a_camera_may_change_its_resolution(camera: Camera, labels: Listener) -> None:
    for scale in (1, 2, 3, 1):
        picture, truth = (image.repeat(scale, 0).repeat(scale, 1) for image in (camera.picture, camera.truth))
        label = answered(camera, labels, image_message(picture, Header()))
        assert (label.height, label.width) == (scale * HEIGHT, scale * WIDTH)
        assert image_miou(truth, labels_from_message(label)) > 0.9


def test_the_overlay_comes_when_it_is_asked_for(camera: Camera) -> None:
    overlays = Listener("/segmentation/overlay", Image)
    overlay = answered(camera, overlays)
    overlays.close()
    assert overlay.encoding == "rgb8" and overlay.header.frame_id == "test_camera"
    drawn = image_from_message(overlay).astype(int)
    coloured = np.ptp(drawn, axis=-1) > 20  # the picture itself is shown in grey
    assert image_miou(camera.truth, coloured * camera.truth) > 0.9
    red, blue = (drawn[camera.truth == id_].mean(0) for id_ in (1, 2))
    assert np.abs(red - blue).max() > 20


def test_silence_and_a_missing_calibration_are_told_in_diagnostics(
    camera: Camera, health: Listener, objects: Listener
) -> None:
    def problem(words: str) -> DiagnosticStatus | None:
        status = newest_status(health) if health.messages else None
        return status if status is not None and words in status.message else None

    status = wait_for("the warning of silence", lambda: problem("no image on /segmentation/image for"))
    assert status.level == DiagnosticStatus.WARN and "its node /tests is there, but silent" in status.message
    wait_for(
        "the warning of no camera_info",
        lambda: camera.show() and problem("no camera_info on /segmentation/camera_info"),
    )
    camera.calibrate(width=7)
    wait_for("the warning of its size", lambda: camera.show() and problem("camera_info is of 7 x 48 pixels"))
    camera.calibrate()
    status = wait_for("an OK", lambda: camera.show() and problem("segmenting"))
    assert status.level == DiagnosticStatus.OK


def test_thresholds_are_changed_while_the_node_runs(camera: Camera, objects: Listener) -> None:
    from dynamic_reconfigure.client import Client

    tuning = Client("/segmentation", timeout=PATIENCE)
    before = tuning.get_configuration()
    of_card = load_weights(WEIGHTS).card["deduplication"]
    assert {name: before[name] for name in of_card} == pytest.approx(of_card)
    assert_squares(answered(camera, objects))
    tuning.update_configuration({"min_area": 0.2})  # each square has a tenth of what the model sees
    wait_for("no objects", lambda: not answered(camera, objects).objects)
    assert tuning.update_configuration({"min_area": 7})["min_area"] == pytest.approx(0.2)  # kept in its bounds
    tuning.update_configuration({"min_area": before["min_area"]})
    assert_squares(wait_for("objects", lambda: (scene := answered(camera, objects)).objects and scene))
    assert not rospy.has_param("/segmentation/min_area")  # or the next node of this name would start with it
    tuning.close()


def test_the_service_segments_one_image_and_refuses_a_bad_one_in_words(camera: Camera) -> None:
    header = Header(stamp=rospy.Time(5), frame_id="somewhere")
    segment = rospy.ServiceProxy("/segmentation/segment", Segment)
    answer = segment(image_message(camera.picture, header), Image(), CameraInfo())
    assert answer.success, answer.message
    assert answer.scene.header.frame_id == answer.label.header.frame_id == "somewhere"
    found = labels_from_message(answer.label)
    assert image_miou(camera.truth, found) > 0.9
    assert_squares(answer.scene)
    assert [each.id for each in answer.scene.objects] == [i for i in np.unique(found) if i]
    refused = segment(bad_image("yuv422", 2 * WIDTH, bytes(2 * WIDTH * HEIGHT)), Image(), CameraInfo())
    assert not refused.success and "encoding 'yuv422'" in refused.message


def test_what_was_segmented_is_kept_whatever_becomes_of_tf_and_of_the_weights_file(
    ros: None, start_node, tmp_path: Path
) -> None:
    health = diagnostics_of("keeping")
    kept, weights = tmp_path / "kept", tmp_path / "lab.safetensors"
    weights.write_bytes(find_weights(WEIGHTS).read_bytes())
    start_node(
        "segmentation_node.py", "keeping", weights=weights, threads=1, record=kept, record_every=0, world="table"
    )
    camera = Camera("/keeping")
    wait_for("the subscription", lambda: camera.is_heard)
    weights.write_bytes(b"other weights, half copied")

    def files_are_there(count: int) -> bool:
        camera.show()
        time.sleep(0.1)
        return len(list(kept.glob("scene_*.h5"))) >= count

    wait_for("two files", lambda: files_are_there(2))
    told = "tf does not connect table with test_camera"
    wait_for("the warning", lambda: camera.show() and any(told in m.status[0].message for m in list(health.messages)))
    for scene in open_dataset(kept):
        np.testing.assert_array_equal(scene.images[0], camera.picture)
        assert scene.meta["model"] == WEIGHTS and len(scene.objects) == 2
        assert np.unique(scene.masks).tolist() == [0, 1, 2] and image_miou(camera.truth, scene.masks[0]) > 0.9


def test_damaged_weights_end_the_node_with_one_clear_line(
    ros: None, start_node, tiny_weights: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(tiny_weights.read_bytes()[:-500])
    node = start_node("segmentation_node.py", "damaged", weights=damaged)
    assert node.wait(PATIENCE) == 1
    said = node.log.read_text()
    assert f"segmentation_node cannot run: {damaged}: is damaged" in said
    assert "Traceback" not in said
