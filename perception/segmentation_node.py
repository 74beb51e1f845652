#!/usr/bin/env python3
"""A camera's images in, de-duplicated objects out. Works while someone listens, and always on the newest frame.

Subscribes while someone listens: ~image (sensor_msgs/Image), ~camera_info (sensor_msgs/CameraInfo), ~depth
    (sensor_msgs/Image, aligned to ~image); tf where ~world is given.
Publishes: ~label (sensor_msgs/Image, 32SC1), ~objects (SegmentedScene), ~overlay (sensor_msgs/Image, rgb8), ~markers
    (visualization_msgs/MarkerArray), ~points (sensor_msgs/PointCloud2), all with the image's header; /diagnostics once
    a second.
Services: ~segment (Segment), one image apart from the stream. Of multi-view models instead: ~query_view (QueryView),
    the scene from elsewhere; ~reset_scene (std_srvs/Trigger), forget it.
Parameters: ~weights (name, file or run folder), ~threads (of inference; 0: one a core), ~device (auto, cpu, cuda),
    ~cosine, ~chroma, ~min_area, ~part and ~min_confidence (in place of the model card's; see DeduplicationSettings;
    changed while it runs by dynamic_reconfigure), ~region (x, y, width, height: where to look; else the whole image),
    ~world (the frame in which a scene stands still: to place objects without depth, and for multi-view models; empty:
    none), ~record (folder to keep images and segmentations in; empty: none), ~record_every (seconds between images that
    are kept).
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import rospy
from diagnostic_msgs.msg import DiagnosticArray
from lds_scenes.msg import SegmentedScene
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from datasets.scene import DatasetError
from lds_models.weights import WeightsError
from lds_ros.arrivals import BUFFER, Arrival
from lds_ros.lazy import LazySubscriptions
from lds_ros.messages import depth_from_message, image_from_message, image_message, label_message
from lds_ros.newest import Newest
from lds_ros.nodes import run_node
from lds_ros.poses import TfPoses
from lds_ros.publishers import explain_silence
from lds_ros.tuning import Number, Tuning
from perception.executors import DeviceFailed
from perception.health import Health, Status
from perception.keeper import Keeper
from perception.messages import cloud_message, diagnostics_message, lens_of, marker_array, scene_message
from perception.overlay import draw_overlay
from perception.placing import NOWHERE, Depth, Placer, Places
from perception.segmentation import Region, Segmentation
from perception.segmenter import Segmenter
from perception.services import SceneServices, SegmentService
from perception.tracking import Tracker

SETTINGS = {  # that are tuned: what they are, and from where to where they go
    "cosine": ("Least cosine similarity of slots that are merged", 0.0, 1.0),
    "chroma": ("Angle between colours, radians, up to which touching slots are one; 0: never", 0.0, 0.5),
    "min_area": ("Share of the image below which nothing is an object", 0.0, 0.2),
    "part": ("Share of an object from which on what lies apart is another one; 1: never", 0.0, 1.0),
    "min_confidence": ("Mean of the mask below which nothing is an object", 0.0, 1.0),
}
PARAMETERS = {"weights", "threads", "device", "region", "world", "record", "record_every", *SETTINGS}
MAX_DELAY = 1.0  # seconds from an image's stamp to its arrival that are no problem
POSE_PATIENCE = 0.1  # seconds that an image waits for its pose
REPEAT = 30.0  # seconds between two warnings of the same kind in the log


class SegmentationNode:
    """Raises WeightsError, DatasetError, DeviceFailed or ValueError where its parameters do not do."""

    def __init__(self) -> None:
        image, info = rospy.resolve_name("~image"), rospy.resolve_name("~camera_info")
        self._health = Health(image, info, lambda: explain_silence(image, Image._type).reason)
        self._frames: Newest[Image] = Newest()
        self._tracker, self._placer = Tracker(), Placer()
        world = str(rospy.get_param("~world", ""))
        self._segmenter = _open_segmenter(poses=bool(world))
        self._segmenting = threading.Lock()  # the stream and services share the model
        self._poses = TfPoses(world) if world else None
        self._keeper = _open_keeper(self._segmenter.name)
        self._label = rospy.Publisher("~label", Image, queue_size=1)
        self._overlay = rospy.Publisher("~overlay", Image, queue_size=1)
        self._objects = rospy.Publisher("~objects", SegmentedScene, queue_size=1)
        self._markers = rospy.Publisher("~markers", MarkerArray, queue_size=1)
        self._points = rospy.Publisher("~points", PointCloud2, queue_size=1)
        self._diagnostics = rospy.Publisher("/diagnostics", DiagnosticArray, queue_size=1)
        outputs = (self._label, self._overlay, self._objects, self._markers, self._points)
        self._inputs = LazySubscriptions(outputs, self._subscribe, always=self._keeper is not None)
        self._serve()
        self._tuning = Tuning(self._numbers(), self._tune)
        rospy.Timer(rospy.Duration(1), self._publish_diagnostics, reset=True)
        model = f"{self._segmenter.name} on {self._segmenter.runtime.description}"
        rospy.loginfo("segmenting %s with %s", rospy.resolve_name("~image"), model)

    def run(self) -> None:
        """Segment frames until the node is shut down. A frame that fails is counted and left out."""
        while not rospy.is_shutdown():
            self._inputs.update()
            message = self._frames.take(timeout=0.2)
            if message is None:
                continue
            try:
                self._segment(message)
            except Exception as error:  # whatever a frame does, the next one is segmented
                self._health.frame_failed(str(error))
                rospy.logerr_throttle(REPEAT, f"a frame on {rospy.resolve_name('~image')} was left out: {error}")

    def _serve(self) -> None:
        if (memory := self._segmenter.memory) is None:
            SegmentService(self._segmenter, self._segmenting)
        else:
            SceneServices(self._segmenter, memory, self._segmenting, self._tracker.forget)

    def _numbers(self) -> list[Number]:
        settings = self._segmenter.settings
        return [Number(name, what, getattr(settings, name), *ends) for name, (what, *ends) in SETTINGS.items()]

    def _tune(self, numbers: dict[str, float]) -> None:
        self._segmenter.settings = self._segmenter.settings.changed(numbers)

    def _subscribe(self) -> list[rospy.Subscriber]:
        self._health.listening()
        return [
            rospy.Subscriber("~camera_info", CameraInfo, self._receive_info, queue_size=1),
            rospy.Subscriber("~depth", Image, self._receive_depth, queue_size=1, buff_size=BUFFER),
            rospy.Subscriber("~image", Image, self._receive, queue_size=1, buff_size=BUFFER),
        ]

    def _receive(self, message: Image) -> None:
        stamp = message.header.stamp.to_sec()
        problem = Arrival(message, stamp, rospy.get_time() - stamp).clock_problem(MAX_DELAY)
        self._health.image_came(message.data, problem or "")
        self._frames.put(message)

    def _receive_info(self, message: CameraInfo) -> None:
        try:
            self._placer.lens = lens_of(message)
        except ValueError as error:
            self._health.info_came(str(error))
        else:
            self._health.info_came()

    def _receive_depth(self, message: Image) -> None:
        depth = Depth(message.header.frame_id, partial(depth_from_message, message))
        self._placer.depth.put(message.header.stamp.to_sec(), depth)

    def _segment(self, message: Image) -> None:
        image, header, stamp = image_from_message(message), message.header, message.header.stamp.to_sec()
        needs_pose = self._segmenter.memory is not None
        pose = self._pose(header) if needs_pose else None
        with self._segmenting:
            segmentation = self._tracker.update(self._segmenter.segment(image, pose), stamp)
        self._label.publish(label_message(segmentation.labels, header))
        if not needs_pose:  # tf may come later than the image: the label does not wait for it
            pose = self._pose(header)
        places = self._place(segmentation, header, pose)
        self._objects.publish(scene_message(segmentation, header, self._segmenter.name, places))
        latency = rospy.get_time() - stamp
        self._health.frame_finished(latency, segmentation.duplicates_merged, segmentation.is_full)
        if self._overlay.get_num_connections():
            self._overlay.publish(image_message(draw_overlay(image, segmentation.labels), header))
        if self._markers.get_num_connections():
            self._markers.publish(marker_array(places, header))
        if self._points.get_num_connections():
            self._points.publish(cloud_message(places, header))
        if self._keeper is not None:
            self._keeper.keep(image, segmentation, stamp, places, self._placer.lens, pose)

    def _pose(self, header: Header) -> np.ndarray | None:
        """Where the camera was; where that is wanted and not known, /diagnostics tells why."""
        if self._poses is None:
            return None
        try:
            return self._poses.at(header.frame_id, header.stamp.to_sec(), POSE_PATIENCE)
        except ValueError as error:
            self._health.not_placed(str(error))
            return None

    def _place(self, segmentation: Segmentation, header: Header, pose: np.ndarray | None) -> Places:
        """Where the objects stand, if somebody wants to know; what is wrong is told in /diagnostics."""
        listeners = (self._objects, self._markers, self._points)
        if self._keeper is None and not any(output.get_num_connections() for output in listeners):
            return NOWHERE
        try:
            places = self._placer.place(segmentation, header.stamp.to_sec(), pose, header.frame_id)
        except ValueError as error:
            self._health.not_placed(str(error))
            return NOWHERE
        self._health.depth_used(places.depth_problem)
        return places

    def _publish_diagnostics(self, _: object) -> None:
        report = self._health.status(self._frames.dropped, self._inputs.are_there)
        problems = report.problems + ([self._segmenter.trouble] if self._segmenter.trouble else [])
        for problem in problems:
            rospy.logwarn_throttle(REPEAT, problem)
        doing = "segmenting" if self._inputs.are_there else "idle: nobody listens"
        name, header = f"{rospy.get_name().strip('/')}: segmentation", Header(stamp=rospy.Time.now())
        status = Status(problems, report.values)
        self._diagnostics.publish(diagnostics_message(status, doing, name, self._segmenter.name, header))


def _warn_of_unknown_parameters() -> None:
    for name in sorted(set(rospy.get_param("~", {})) - PARAMETERS):
        rospy.logwarn("~%s changes nothing: there is no such parameter, only %s", name, ", ".join(sorted(PARAMETERS)))


def _open_segmenter(poses: bool) -> Segmenter:
    region = rospy.get_param("~region", [])
    return Segmenter(
        str(rospy.get_param("~weights", "monet_lds_table")),
        region=None if region in ("", []) else Region.parse(region),
        device=rospy.get_param("~device", "auto"),
        threads=int(rospy.get_param("~threads", 1)),
        poses=poses,
    )


def _open_keeper(model: str) -> Keeper | None:
    folder = str(rospy.get_param("~record", ""))
    return Keeper(Path(folder), float(rospy.get_param("~record_every", 1.0)), model) if folder else None


def run() -> None:
    """Raises what SegmentationNode raises."""
    _warn_of_unknown_parameters()
    SegmentationNode().run()


def main() -> int:
    return run_node("segmentation", run, WeightsError, DatasetError, DeviceFailed, ValueError, ends_with_roscore=True)


if __name__ == "__main__":
    sys.exit(main())
