#!/usr/bin/env python3
"""Listens to a segmentation as a robot would, scores it against the truth, writes what it measured, and ends.

Subscribes: ~image, ~label, ~truth (sensor_msgs/Image), ~objects (SegmentedScene), ~standing (SceneObjects: where the
    objects stand, in the frame of tf that its header names).
Parameters: ~seconds (to measure, from the first label on), ~patience (seconds to wait for that), ~node (whose memory is
    measured), ~out (folder for `score.json` and `frames.npz`; see `perception.score`).
Ends with 1 where no label came.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast
from xmlrpc.client import ServerProxy

import numpy as np
import rosgraph
import rospy
from lds_scenes.msg import SceneObjects, SegmentedObject, SegmentedScene
from sensor_msgs.msg import Image

from lds_models.memory import peak_resident_mb
from lds_ros.arrivals import BUFFER
from lds_ros.messages import image_from_message, labels_from_message
from lds_ros.nodes import NO_ANSWER, required_parameter, run_node
from lds_ros.objects import scene_objects
from lds_ros.poses import TfPoses
from perception.score import Score

POSE_PATIENCE = 0.1  # seconds


class ScorerNode:
    """Raises MissingParameter without ~out."""

    def __init__(self) -> None:
        self._out = Path(required_parameter("~out"))
        self._score = Score()
        self._lock = threading.Lock()  # every topic has a thread of its own
        self._shut_down = threading.Event()
        rospy.on_shutdown(self._shut_down.set)
        for name, kind, listener in (
            ("~image", Image, lambda m, now: self._score.image_came(_stamp(m), now, image_from_message(m))),
            ("~truth", Image, lambda m, now: self._score.truth_came(_stamp(m), labels_from_message(m))),
            ("~label", Image, lambda m, now: self._score.label_came(_stamp(m), now, labels_from_message(m))),
            ("~objects", SegmentedScene, lambda m, now: self._score.scene_came(m.duplicates_merged)),
        ):
            rospy.Subscriber(name, kind, self._locked, listener, queue_size=10, buff_size=BUFFER)
        self._standing: SceneObjects | None = None
        self._poses: TfPoses | None = None
        rospy.Subscriber("~standing", SceneObjects, self._note_standing)
        rospy.Subscriber("~objects", SegmentedScene, self._score_places, queue_size=1)

    def _note_standing(self, message: SceneObjects) -> None:
        self._poses = self._poses or TfPoses(message.header.frame_id)
        self._standing = message

    def _score_places(self, message: SegmentedScene) -> None:
        if self._standing is None or self._poses is None:
            return
        try:
            T = self._poses.at(message.header.frame_id, message.header.stamp.to_sec(), POSE_PATIENCE)
        except ValueError:
            return  # no pose was known yet, so no place was told in the world
        placed = [o.pose.position for o in message.objects if o.place != SegmentedObject.PLACE_UNKNOWN]
        found = np.array([T[:3, :3] @ [p.x, p.y, p.z] + T[:3, 3] for p in placed]).reshape(-1, 3)
        truth = np.array([o["position"] for o in scene_objects(self._standing)]).reshape(-1, 3)
        with self._lock:
            self._score.places_came(found, truth)

    def _locked(
        self, message: Image | SegmentedScene, listener: Callable[[Image | SegmentedScene, float], None]
    ) -> None:
        now = rospy.get_time()
        with self._lock:
            listener(message, now)

    def run(self) -> int:
        """Wait for the first label, measure, write. Returns the exit code."""
        patience, seconds = float(rospy.get_param("~patience", 60)), float(rospy.get_param("~seconds", 30))
        deadline = rospy.get_time() + patience
        while not self._score.has_labels:
            if rospy.get_time() > deadline:
                rospy.logfatal("no label came on %s within %.0f s", rospy.resolve_name("~label"), patience)
                return 1
            if self._shut_down.wait(0.1):
                return 1
        with self._lock:
            self._score = Score()  # the first label came when all were up: what was before does not count
        if self._shut_down.wait(seconds):
            return 1
        with self._lock:
            self._score.write(self._out, _peak_memory_mb(rospy.get_param("~node", "")))
        return 0


def _stamp(message: Image) -> float:
    return message.header.stamp.to_sec()


def _peak_memory_mb(node: str) -> float | None:
    """The largest resident memory that a node on this machine has had, MB; None where it cannot be asked."""
    try:
        api = ServerProxy(rosgraph.Master(rospy.get_name()).lookupNode(node))
        _, _, pid = cast("tuple[int, str, int]", api.getPid(rospy.get_name()))
        return peak_resident_mb(pid)
    except (*NO_ANSWER, IndexError):
        return None


def main() -> int:
    return run_node("scorer", lambda: ScorerNode().run())


if __name__ == "__main__":
    sys.exit(main())
