"""Camera poses from tf."""

from __future__ import annotations

import numpy as np
import rospy
import tf2_ros
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from scipy.spatial.transform import Rotation

WAIT = 0.1  # seconds for a pose that is not there yet


class TfPoses:
    """Where frames are in the frame `world`, which stands still. Listens to tf from its beginning on."""

    def __init__(self, world: str) -> None:
        self._world = world.strip("/")
        self._buffer = tf2_ros.Buffer(rospy.Duration(10))
        self._listener = tf2_ros.TransformListener(self._buffer)

    def at(self, frame: str, stamp: rospy.Time) -> np.ndarray:
        """T_world_frame [4,4] at a stamp, waiting a little until it is known.

        Raises:
            ValueError: it is not known.
        """
        try:
            found = self._buffer.lookup_transform(self._world, frame.strip("/"), stamp, rospy.Duration(WAIT)).transform
        except tf2_ros.TransformException as error:
            raise ValueError(f"tf does not tell where '{frame}' is in '{self._world}': {error}") from error
        return matrix_of_transform(found)


def matrix_of_transform(transform: Transform) -> np.ndarray:
    """[4,4]."""
    return _matrix(transform.translation, transform.rotation)


def matrix_of_pose(pose: Pose) -> np.ndarray:
    """[4,4]. Raises ValueError where its quaternion is zero."""
    return _matrix(pose.position, pose.orientation)


def _matrix(p: Point | Vector3, q: Quaternion) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    matrix[:3, 3] = p.x, p.y, p.z
    return matrix
