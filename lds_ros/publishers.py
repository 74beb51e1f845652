"""Why nothing comes on a topic."""

from __future__ import annotations

from dataclasses import dataclass

import rosgraph
import rospy

from lds_ros.nodes import NO_ANSWER, node_lives


@dataclass(frozen=True)
class Silence:
    """`has_publisher`: a living node publishes the topic; `reason`: why nothing comes all the same, and what to do."""

    has_publisher: bool
    reason: str


def explain_silence(topic: str, message_type: str) -> Silence:
    """Why no message of `message_type` (sensor_msgs/Image) comes on `topic`, a name as rospy.resolve_name makes it."""
    master = rosgraph.Master(rospy.get_name())
    try:
        types = dict(master.getTopicTypes())
        publishers = {name: nodes for name, nodes in master.getSystemState()[0] if nodes}
    except NO_ANSWER:
        return Silence(False, "roscore does not answer: start it, and the nodes again")
    nodes = publishers.get(topic)
    if not nodes:
        others = sorted(name for name in publishers if types.get(name) == message_type)
        return Silence(
            False,
            "nobody publishes it: start its node, or name another topic; "
            f"{message_type} is published on {', '.join(others) or 'none'}",
        )
    if types.get(topic) != message_type:
        return Silence(False, f"it carries {types.get(topic)}, not {message_type}: name another topic")
    alive = [node for node in nodes if node_lives(node)]
    if not alive:
        return Silence(
            False,
            f"its node {', '.join(nodes)} does not answer: it has ended (start it again), or runs on another computer "
            "that is not reached (set ROS_IP on both)",
        )
    return Silence(True, f"its node {', '.join(alive)} is there, but silent: does it have what it needs (plugged in)?")
