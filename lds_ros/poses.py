"""Where frames were at a given time, from tf; rather no answer than a wrong one."""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque

import numpy as np
import rospy
import tf2_ros
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from tf2_msgs.msg import TFMessage

from datasets.poses import pose_of_numbers

MAX_GAP = 0.15  # s; tf2 interpolates over any hole in its data, and what happened meanwhile is not known
MEMORY = 15.0  # s
QUEUE = 1000
POLL = 0.004  # s


class PoseUnknown(ValueError):
    """tf does not tell where a frame was."""


class TfPoses:
    """Where frames are in the frame `world`. Listens to tf from its beginning until `close`. Stamps in seconds."""

    def __init__(self, world: str) -> None:
        self._world = world.strip("/")
        self._stamps: dict[str, deque[float]] = {}  # of each moving frame, when its place became known
        self._parents: dict[str, str] = {}
        self._lock = threading.Lock()
        self._buffer = tf2_ros.Buffer(cache_time=rospy.Duration(MEMORY), debug=False)
        self._subscribers = [
            rospy.Subscriber("/tf", TFMessage, self._receive, queue_size=QUEUE, tcp_nodelay=True),
            rospy.Subscriber("/tf_static", TFMessage, self._receive_static, queue_size=QUEUE),
        ]

    def close(self) -> None:
        for subscriber in self._subscribers:
            subscriber.unregister()

    def newest(self, frame: str) -> float:
        """The newest time for which a frame's pose is known. Raises PoseUnknown where it never was."""
        try:
            return self._buffer.get_latest_common_time(self._world, frame.strip("/")).to_sec()
        except tf2_ros.TransformException as error:
            raise PoseUnknown(self._unconnected(frame)) from error

    def at(self, frame: str, stamp: float, patience: float) -> np.ndarray:
        """T_world_frame [4,4] at a stamp.

        Raises:
            PoseUnknown: it does not become known within `patience` seconds, or lies in a gap of more than MAX_GAP in
                what tf says.
        """
        frame, deadline = frame.strip("/"), time.monotonic() + patience
        while problem := self._problem(frame, stamp):
            if time.monotonic() > deadline or rospy.is_shutdown():
                raise PoseUnknown(problem)
            time.sleep(POLL)
        try:
            message = self._buffer.lookup_transform(self._world, frame, rospy.Time.from_sec(stamp))
        except tf2_ros.TransformException as error:
            raise PoseUnknown(f"tf does not tell where {frame} was: {error}") from error
        return _matrix(message.transform.translation, message.transform.rotation)

    def _problem(self, frame: str, stamp: float) -> str | None:
        """Why a frame's pose at `stamp` is not known, None where it is."""
        with self._lock:
            moving = self._moving_frames(frame)
            if moving is None:
                return self._unconnected(frame)
            return next((problem for moved in moving if (problem := self._gap_around(moved, stamp))), None)

    def _gap_around(self, frame: str, stamp: float) -> str | None:
        stamps = self._stamps[frame]
        if stamp > stamps[-1]:
            late = stamp - stamps[-1]
            return (
                f"tf last told the place of {frame} {late:.2f} s before the image was taken: either tf has stopped "
                "(see robot_state_publisher and the arm's driver), or the camera's clock is ahead"
            )
        after = bisect.bisect_left(stamps, stamp)
        if stamps[after] == stamp:
            return None
        if after == 0:
            return (
                f"the image was taken {stamps[0] - stamp:.2f} s before the first place of {frame} that tf told: "
                "its stamp is too old; compare the camera's clock with this computer's"
            )
        if (gap := stamps[after] - stamps[after - 1]) > MAX_GAP:
            return f"tf told no place of {frame} for {gap:.2f} s around the image's time; the pose is not known there"
        return None

    def _moving_frames(self, frame: str) -> list[str] | None:
        """The frames between the world and a frame whose place changes; None where the two are not connected."""
        world, tip = self._up(self._world), self._up(frame)
        if world[-1] != tip[-1]:
            return None
        return [moving for moving in {*world} ^ {*tip} if moving in self._stamps]

    def _up(self, frame: str) -> list[str]:
        """A frame, its parent, and so on to the root."""
        frames = [frame]
        while (parent := self._parents.get(frames[-1])) is not None and parent not in frames:
            frames.append(parent)
        return frames

    def _unconnected(self, frame: str) -> str:
        return (
            f"tf does not connect {self._world} with {frame}: does everything run that tells tf where things are "
            "(robot_state_publisher, the camera's mounting), and are both frames named right?"
        )

    def _receive(self, message: TFMessage) -> None:
        for transform in message.transforms:
            frame, stamp = transform.child_frame_id.lstrip("/"), transform.header.stamp.to_sec()
            self._notice_clock_set_back(frame, stamp)
            self._buffer.set_transform(transform, "tf")
            with self._lock:
                self._parents[frame] = transform.header.frame_id.lstrip("/")
                self._remember(frame, stamp)

    def _receive_static(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self._buffer.set_transform_static(transform, "tf_static")
        with self._lock:
            self._parents.update(
                {t.child_frame_id.lstrip("/"): t.header.frame_id.lstrip("/") for t in message.transforms}
            )

    def _notice_clock_set_back(self, frame: str, stamp: float) -> None:
        """tf2 would mix poses of before and after, or take none of after: all that moves is learned anew."""
        with self._lock:
            known = self._stamps.get(frame)
            if known and stamp < known[-1] - MAX_GAP:
                self._stamps.clear()
                self._buffer.clear()

    def _remember(self, frame: str, stamp: float) -> None:
        stamps = self._stamps.setdefault(frame, deque())
        if not stamps or stamp > stamps[-1]:
            stamps.append(stamp)
        while stamps[0] < stamps[-1] - MEMORY:
            stamps.popleft()


def matrix_of_pose(pose: Pose) -> np.ndarray:
    """[4,4]. Raises ValueError where its quaternion is zero."""
    return _matrix(pose.position, pose.orientation)


def _matrix(p: Point | Vector3, q: Quaternion) -> np.ndarray:
    return pose_of_numbers([p.x, p.y, p.z], [q.x, q.y, q.z, q.w])
