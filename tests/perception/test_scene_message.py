"""What was segmented, as it goes over the wire."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

from rospy import Time
from std_msgs.msg import Header

from perception.messages import scene_message
from perception.segmenter import ObjectSegment, Segmentation


def test_a_scene_message_survives_the_wire() -> None:
    segment = ObjectSegment(3, (10, 20, 30, 40), 999, (24.5, 39.25), 0.75, np.arange(4, dtype=np.float32), 2)
    segmentation = Segmentation(np.zeros((48, 64), np.int32), [segment], 1)
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
