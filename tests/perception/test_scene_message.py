"""What was segmented, as it goes over the wire."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from lds_scenes.msg import SegmentedObject
from rospy import Time
from sensor_msgs.msg import PointField
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from perception.geometry import Placement
from perception.messages import cloud_message, marker_array, scene_message
from perception.overlay import object_colour
from perception.placing import Places
from perception.segmentation import ObjectSegment, Region, Segmentation

TURNED = np.array([[0, -1, 0, 0.1], [1, 0, 0, 0.2], [0, 0, 1, 0.6], [0, 0, 0, 1.0]])
POINTS = np.random.default_rng(0).uniform(0, 1, (20, 3))
PLACES = Places({3: Placement(TURNED, np.array([0.06, 0.05, 0.04]), POINTS)}, {5: np.array([0.3, 0.4, 0.7])})


def test_a_scene_message_survives_the_wire() -> None:
    segment = ObjectSegment(3, (10, 20, 30, 40), 999, (24.5, 39.25), 0.75, np.arange(4, dtype=np.float32), 2)
    segmentation = Segmentation(np.zeros((48, 64), np.int32), [segment], 1, Region(8, 0, 48, 48))
    sent = scene_message(segmentation, Header(frame_id="camera", stamp=Time(12, 345)), "monet")
    buffer = io.BytesIO()
    sent.serialize(buffer)
    scene = type(sent)().deserialize(buffer.getvalue())
    assert (scene.header.stamp.to_nsec(), scene.header.frame_id, scene.model) == (12_000_000_345, "camera", "monet")
    assert (scene.image_width, scene.image_height, scene.duplicates_merged) == (64, 48, 1)
    (found,) = scene.objects
    assert (found.id, found.area, found.slots_merged, found.confidence) == (3, 999, 2, 0.75)
    assert (found.box.x_offset, found.box.y_offset, found.box.width, found.box.height) == (10, 20, 30, 40)
    assert (found.centroid_x, found.centroid_y, found.latent) == (24.5, 39.25, (0, 1, 2, 3))


def objects(*ids: int) -> list[ObjectSegment]:
    return [ObjectSegment(id_, (1, 2, 3, 4), 9, (1, 1), 0.5, np.ones(2, np.float32), 1) for id_ in ids]


def test_objects_have_the_place_that_is_known_of_them() -> None:
    segmentation = Segmentation(np.zeros((48, 64), np.int32), objects(3, 5, 8), 0, Region(8, 0, 48, 48))
    by_depth, by_views, unknown = scene_message(segmentation, Header(), "monet", PLACES).objects
    assert [each.place for each in (by_depth, by_views, unknown)] == [
        SegmentedObject.PLACE_BY_DEPTH, SegmentedObject.PLACE_BY_VIEWS, SegmentedObject.PLACE_UNKNOWN,
    ]  # fmt: skip
    assert (by_depth.pose.position.x, by_depth.pose.position.z, by_depth.size.x) == (0.1, 0.6, 0.06)
    turn = by_depth.pose.orientation
    np.testing.assert_allclose([turn.x, turn.y, turn.z, turn.w], [0, 0, 0.5**0.5, 0.5**0.5], atol=1e-12)
    assert (by_views.pose.position.y, by_views.size.x, unknown.pose.orientation.w) == (0.4, 0, 1)


def test_markers_are_boxes_and_balls_with_their_ids() -> None:
    clear, box, number, ball, other = marker_array(PLACES, Header(frame_id="camera")).markers
    assert clear.action == Marker.DELETEALL
    assert (box.type, box.id, box.scale.y, box.pose.position.y) == (Marker.CUBE, 3, 0.05, 0.2)
    assert (ball.type, ball.id, ball.pose.position.z) == (Marker.SPHERE, 5, 0.7)
    assert (number.text, other.text) == ("3", "5")
    assert all(each.header.frame_id == "camera" for each in (box, number, ball, other))


def test_points_carry_the_colour_and_the_id_of_their_object() -> None:
    sent = cloud_message(PLACES, Header())
    buffer = io.BytesIO()
    sent.serialize(buffer)
    cloud = type(sent)().deserialize(buffer.getvalue())
    assert (cloud.width, cloud.height, cloud.row_step) == (20, 1, 20 * cloud.point_step)
    kinds = {PointField.FLOAT32: "<f4", PointField.UINT32: "<u4"}
    fields = {each.name: (kinds[each.datatype], each.offset) for each in cloud.fields}
    points = np.frombuffer(cloud.data, np.dtype({
        "names": list(fields), "formats": [kind for kind, _ in fields.values()],
        "offsets": [offset for _, offset in fields.values()], "itemsize": cloud.point_step,
    }))  # fmt: skip
    np.testing.assert_allclose(np.stack([points[axis] for axis in "xyz"], 1), POINTS, rtol=1e-6)
    assert set(points["label"]) == {3}
    colour = points["rgb"].copy().view(np.uint8).reshape(-1, 4)[:, 2::-1]
    assert (colour == object_colour(3)).all()


def test_a_cloud_of_no_points_is_one_too() -> None:
    cloud = cloud_message(Places(), Header())
    assert (cloud.width, cloud.data) == (0, b"")
