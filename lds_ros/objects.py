"""What stands on the table, between `Scene.objects` and lds_scenes/SceneObjects."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion
from lds_scenes.msg import SceneObject, SceneObjects
from std_msgs.msg import Header


def scene_objects(message: SceneObjects) -> list[dict[str, Any]]:
    """The dictionaries that `Scene.objects` holds: shape, color, size and position (metres), yaw (radians)."""
    return [
        {
            "shape": o.shape,
            "color": o.color,
            "size": o.size,
            "position": [o.pose.position.x, o.pose.position.y, o.pose.position.z],
            "yaw": float(2 * np.arctan2(o.pose.orientation.z, o.pose.orientation.w)),
        }
        for o in message.objects
    ]


def scene_objects_message(objects: list[dict[str, Any]], header: Header) -> SceneObjects:
    """The message of such dictionaries; the header's frame is that of their positions."""
    return SceneObjects(header, [_object(o) for o in objects])


def _object(o: dict[str, Any]) -> SceneObject:
    turn = Quaternion(0, 0, np.sin(o["yaw"] / 2), np.cos(o["yaw"] / 2))
    return SceneObject(o["shape"], o["color"], o["size"], Pose(Point(*o["position"]), turn))
