#!/usr/bin/env python3
"""Listens to a segmentation as a robot would, scores it against the truth, writes what it measured, and ends.

Subscribes: ~image, ~label, ~truth (sensor_msgs/Image), ~objects (SegmentedScene).
Parameters: ~seconds (to measure, from the first label on), ~patience (seconds to wait for that), ~node (whose memory is
    measured), ~out (folder for `score.json` and `frames.npz`; see `perception.score`).
Ends with 1 where no label came.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from xmlrpc.client import ServerProxy

import rosgraph
import rospy
from lds_scenes.msg import SegmentedScene
from sensor_msgs.msg import Image

from lds_models.memory import peak_resident_mb
from lds_ros.messages import image_from_message, labels_from_message
from perception.score import Score

BUFFER = 2**24


class ScorerNode:
    def __init__(self) -> None:
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

    def _locked(self, message: Image | SegmentedScene, listener) -> None:
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
            self._score.write(Path(rospy.get_param("~out")), _peak_memory_mb(rospy.get_param("~node", "")))
        return 0


def _stamp(message: Image) -> float:
    return message.header.stamp.to_sec()


def _peak_memory_mb(node: str) -> float | None:
    """The largest resident memory that a node on this machine has had, MB; None where it cannot be asked."""
    try:
        _, _, pid = ServerProxy(rosgraph.Master(rospy.get_name()).lookupNode(node)).getPid(rospy.get_name())
        return peak_resident_mb(pid)
    except (rosgraph.MasterException, OSError, IndexError):
        return None


def main() -> int:
    rospy.init_node("scorer")
    return ScorerNode().run()


if __name__ == "__main__":
    sys.exit(main())
