"""Which frame others put above a frame of tf."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence

import rospy
from tf2_msgs.msg import TFMessage

QUEUE = 100


def parent_told_by_others(frame: str, topics: Sequence[str], patience: float) -> str | None:
    """The frame that another node puts above `frame`; what this node sends itself does not count.

    Args:
        topics: of tf to listen to: /tf, /tf_static.
        patience: seconds to listen for it.

    Returns:
        None where nobody tells in that time, or where this node is shut down.
    """
    parents: queue.SimpleQueue[str] = queue.SimpleQueue()

    def receive(message: TFMessage) -> None:
        if message._connection_header["callerid"] != rospy.get_name():
            for transform in message.transforms:
                if transform.child_frame_id.strip("/") == frame.strip("/"):
                    parents.put(transform.header.frame_id.strip("/"))

    subscribers = [rospy.Subscriber(topic, TFMessage, receive, queue_size=QUEUE) for topic in topics]
    try:
        return _first(parents, patience)
    finally:
        for subscriber in subscribers:
            subscriber.unregister()


def _first(parents: queue.SimpleQueue[str], patience: float) -> str | None:
    deadline = time.monotonic() + patience
    while not rospy.is_shutdown() and time.monotonic() < deadline:
        try:
            return parents.get(timeout=0.2)
        except queue.Empty:
            continue
    return None
