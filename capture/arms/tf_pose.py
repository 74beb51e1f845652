"""Where the tool was at a given time, from tf; rather no answer than a wrong one."""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque

import numpy as np
import rospy
import tf2_ros
from tf2_msgs.msg import TFMessage

from capture.errors import MotionError, PoseError
from lds_ros.poses import matrix_of_transform

MAX_GAP = 0.15  # s; tf2 interpolates over any hole in its data, and what the arm did meanwhile is not known
POLL = 0.02  # s
WAIT = 0.5  # s for a pose that is not there yet
MEMORY = 15.0  # s
QUEUE = 1000


class TfPose:
    """T_base_tool from tf. Listens from its beginning until `close`."""

    def __init__(self, base_frame: str, tool_frame: str) -> None:
        self._base, self._tool = base_frame, tool_frame
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

    def wait(self, timeout: float) -> None:
        """Wait until a pose is known. Raises MotionError where none is within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.newest()
                return
            except PoseError as error:
                if time.monotonic() > deadline:
                    raise MotionError(str(error)) from error
            time.sleep(POLL)

    def newest(self) -> float:
        """The newest time (s) for which the pose is known. Raises PoseError where it never was."""
        try:
            return self._buffer.get_latest_common_time(self._base, self._tool).to_sec()
        except tf2_ros.TransformException as error:
            raise PoseError(self._unknown()) from error

    def at(self, stamp: float) -> np.ndarray:
        """T_base_tool [4,4] at `stamp` (s), waiting a little until it is known.

        Raises:
            PoseError: it does not become known within WAIT, or lies in a gap of more than MAX_GAP in what tf says.
        """
        deadline = time.monotonic() + WAIT
        while problem := self._problem(stamp):
            if time.monotonic() > deadline or rospy.is_shutdown():
                raise PoseError(problem)
            time.sleep(0.004)
        try:
            message = self._buffer.lookup_transform(self._base, self._tool, rospy.Time.from_sec(stamp))
        except tf2_ros.TransformException as error:
            raise PoseError(f"tf does not tell where {self._tool} was: {error}") from error
        return matrix_of_transform(message.transform)

    def _problem(self, stamp: float) -> str | None:
        """Why the pose at `stamp` is not known, None where it is."""
        with self._lock:
            moving = self._moving_frames()
            if moving is None:
                return self._unknown()
            return next((problem for frame in moving if (problem := self._gap_around(frame, stamp))), None)

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

    def _moving_frames(self) -> list[str] | None:
        """The frames between base and tool whose place changes; None where the two are not connected."""
        base, tool = self._up(self._base), self._up(self._tool)
        if base[-1] != tool[-1]:
            return None
        return [frame for frame in {*base} ^ {*tool} if frame in self._stamps]

    def _up(self, frame: str) -> list[str]:
        """A frame, its parent, and so on to the root."""
        frames = [frame]
        while (parent := self._parents.get(frames[-1])) is not None and parent not in frames:
            frames.append(parent)
        return frames

    def _unknown(self) -> str:
        return (
            f"tf does not connect {self._base} with {self._tool}: is robot_state_publisher running, "
            "and are the frames of the robot's profile right?"
        )

    def _receive(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self._buffer.set_transform(transform, "tf")
        with self._lock:
            for transform in message.transforms:
                self._remember(transform)

    def _receive_static(self, message: TFMessage) -> None:
        for transform in message.transforms:
            self._buffer.set_transform_static(transform, "tf_static")
        with self._lock:
            self._parents.update(
                {t.child_frame_id.lstrip("/"): t.header.frame_id.lstrip("/") for t in message.transforms}
            )

    def _remember(self, transform: object) -> None:
        frame, stamp = transform.child_frame_id.lstrip("/"), transform.header.stamp.to_sec()
        self._parents[frame] = transform.header.frame_id.lstrip("/")
        stamps = self._stamps.setdefault(frame, deque())
        if stamps and stamp < stamps[-1] - MEMORY:  # the clock was set back
            stamps.clear()
        if not stamps or stamp > stamps[-1]:
            stamps.append(stamp)
        while stamps[0] < stamps[-1] - MEMORY:
            stamps.popleft()
