#!/usr/bin/env python3
"""A camera's images in, de-duplicated objects out. Works while someone listens, and always on the newest frame.

Subscribes: ~image (sensor_msgs/Image), ~camera_info (sensor_msgs/CameraInfo).
Publishes: ~label (sensor_msgs/Image, 32SC1), ~objects (SegmentedScene), ~overlay (sensor_msgs/Image, rgb8), all with
    the image's header; /diagnostics once a second.
Parameters: ~weights (name, file or run folder), ~threads (of inference; 0: one a core), ~device (auto, cpu, cuda),
    ~cosine, ~min_area and ~min_confidence (in place of the model card's; see DeduplicationSettings).
"""

from __future__ import annotations

import sys

import rospy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lds_scenes.msg import SegmentedScene
from sensor_msgs.msg import CameraInfo, Image

from lds_models.weights import WeightsError
from lds_ros.messages import image_from_message, image_message, label_message
from lds_ros.nodes import roscore_answers
from perception.health import Health
from perception.messages import scene_message
from perception.newest import Newest
from perception.overlay import draw_overlay
from perception.segmenter import Segmenter
from perception.tracking import Tracker

BUFFER = 2**24  # bytes; a buffer smaller than a frame makes rospy work through old frames
SETTINGS = ("cosine", "min_area", "min_confidence")
REPEAT = 30.0  # seconds between two warnings of the same kind in the log


class SegmentationNode:
    """Raises WeightsError or ValueError where its parameters do not do."""

    def __init__(self) -> None:
        self._health = Health(rospy.resolve_name("~image"), rospy.resolve_name("~camera_info"))
        self._frames: Newest[Image] = Newest()
        self._tracker = Tracker()
        settings = {name: rospy.get_param(f"~{name}") for name in SETTINGS if rospy.has_param(f"~{name}")}
        self._segmenter = Segmenter(
            str(rospy.get_param("~weights", "monet_lds_table")),
            settings,
            device=rospy.get_param("~device", "auto"),
            threads=int(rospy.get_param("~threads", 1)),
        )
        self._label = rospy.Publisher("~label", Image, queue_size=1)
        self._overlay = rospy.Publisher("~overlay", Image, queue_size=1)
        self._objects = rospy.Publisher("~objects", SegmentedScene, queue_size=1)
        self._diagnostics = rospy.Publisher("/diagnostics", DiagnosticArray, queue_size=1)
        rospy.Timer(rospy.Duration(1), self._publish_diagnostics)
        rospy.Subscriber("~camera_info", CameraInfo, lambda _: self._health.info_came(), queue_size=1)
        rospy.Subscriber("~image", Image, self._receive, queue_size=1, buff_size=BUFFER)
        model = f"{self._segmenter.name} on {self._segmenter.runtime.description}"
        rospy.loginfo("segmenting %s with %s", rospy.resolve_name("~image"), model)

    def run(self) -> None:
        """Segment frames until the node is shut down. A frame that fails is counted and left out."""
        while not rospy.is_shutdown():
            message = self._frames.take(timeout=0.2)
            if message is None:
                continue
            try:
                self._segment(message)
            except Exception as error:  # whatever a frame does, the next one is segmented
                self._health.frame_failed(str(error))
                rospy.logerr_throttle(REPEAT, f"a frame on {rospy.resolve_name('~image')} was left out: {error}")

    def _receive(self, message: Image) -> None:
        self._health.image_came()
        if any(output.get_num_connections() for output in (self._label, self._overlay, self._objects)):
            self._frames.put(message)

    def _segment(self, message: Image) -> None:
        image = image_from_message(message)
        segmentation = self._tracker.update(self._segmenter.segment(image))
        self._label.publish(label_message(segmentation.labels, message.header))
        self._objects.publish(scene_message(segmentation, message.header, self._segmenter.name))
        self._health.frame_finished(rospy.get_time() - message.header.stamp.to_sec(), segmentation.duplicates_merged)
        if self._overlay.get_num_connections():
            self._overlay.publish(image_message(draw_overlay(image, segmentation.labels), message.header))

    def _publish_diagnostics(self, _: object) -> None:
        report = self._health.status(self._frames.dropped)
        for problem in report.problems:
            rospy.logwarn_throttle(REPEAT, problem)
        status = DiagnosticStatus(
            level=DiagnosticStatus.WARN if report.problems else DiagnosticStatus.OK,
            name=f"{rospy.get_name().strip('/')}: segmentation",
            message="; ".join(report.problems) or "segmenting",
            hardware_id=self._segmenter.name,
            values=[KeyValue(key, value) for key, value in report.values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = rospy.Time.now()
        self._diagnostics.publish(message)


def main() -> int:
    if not roscore_answers("segmentation_node"):
        return 1
    rospy.init_node("segmentation")
    try:
        node = SegmentationNode()
    except (WeightsError, ValueError) as error:
        rospy.logfatal("segmentation_node cannot start: %s", error)
        return 1
    node.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
