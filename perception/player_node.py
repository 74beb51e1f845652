#!/usr/bin/env python3
"""Plays the scenes of a dataset as a camera that looks at one view after another, for as long as it runs.

Publishes: ~image_raw (sensor_msgs/Image, rgb8), ~camera_info, ~truth (sensor_msgs/Image, 32SC1: the true object of each
    pixel, with the image's stamp) where the scenes have masks, and the camera's pose in tf.
Parameters: ~data (a dataset's folder), ~rate (images a second), ~hold (seconds that a view is shown), ~frame (the
    camera's optical frame), ~world (the frame that poses are in).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import rospy
import tf2_ros
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from datasets.loading import open_dataset
from datasets.scene import DatasetError, Scene
from lds_ros.messages import camera_info_message, image_message, label_message, transform_message
from lds_ros.nodes import required_parameter, run_node


class PlayerNode:
    """Raises DatasetError where there are no scenes, MissingParameter without ~data."""

    def __init__(self) -> None:
        self._scenes = open_dataset(required_parameter("~data"))
        self._frame, self._world = rospy.get_param("~frame", "camera_optical_frame"), rospy.get_param("~world", "world")
        self._rate, self._hold = float(rospy.get_param("~rate", 30)), float(rospy.get_param("~hold", 0.5))
        self._image = rospy.Publisher("~image_raw", Image, queue_size=2)
        self._info = rospy.Publisher("~camera_info", CameraInfo, queue_size=2)
        self._truth = rospy.Publisher("~truth", Image, queue_size=2)
        self._tf = tf2_ros.TransformBroadcaster()

    def run(self) -> None:
        """Show every view in turn, from the start again after the last."""
        rate = rospy.Rate(self._rate, reset=True)
        for scene, view in self._views():
            for _ in range(max(1, round(self._hold * self._rate))):
                if rospy.is_shutdown():
                    return
                self._publish(scene, view)
                rate.sleep()

    def _views(self) -> Iterator[tuple[Scene, int]]:
        order = itertools.cycle(range(len(self._scenes)))
        with ThreadPoolExecutor(1) as reader:  # reads the next scene while this one is shown, so that no frame is late
            upcoming = reader.submit(self._scenes.__getitem__, next(order))
            while True:
                scene = upcoming.result()
                upcoming = reader.submit(self._scenes.__getitem__, next(order))
                yield from ((scene, view) for view in range(scene.num_views))

    def _publish(self, scene: Scene, view: int) -> None:
        header = Header(stamp=rospy.Time.now(), frame_id=self._frame)
        if scene.T_world_camera is not None:
            self._tf.sendTransform(transform_message(scene.T_world_camera[view], self._world, header))
        if scene.K is not None:
            self._info.publish(camera_info_message(scene.K[view], *scene.image_size, header))
        self._image.publish(image_message(scene.images[view], header))
        if scene.masks is not None and self._truth.get_num_connections():
            self._truth.publish(label_message(scene.masks[view].astype(np.int32), header))


def main() -> int:
    return run_node("player", lambda: PlayerNode().run(), DatasetError)


if __name__ == "__main__":
    sys.exit(main())
