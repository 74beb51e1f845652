"""The last seconds of an arm's joint angles, and since when they have been at rest."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
import rospy
from sensor_msgs.msg import JointState as JointStateMessage

from capture.arms.arm import JointState
from capture.errors import MotionError

MEMORY = 3.0  # s
STALE = 0.5  # s without news after which what is known counts for nothing
STILL_TIME = 0.12  # s that it must last to count as rest
STILL_SAMPLES = 4
# Resting arms jitter: encoders by some 1e-4 rad, reported velocities by some 1e-3 rad/s. At 0.5 m, 0.02 rad/s moves the
# camera by 0.3 mm in 30 ms of exposure.
STILL_VELOCITY = 0.02  # rad/s
STILL_POSITION = 0.003  # rad


class JointHistory:
    """Listens to a topic of sensor_msgs/JointState from its beginning until `close`."""

    def __init__(self, topic: str, joint_names: tuple[str, ...]) -> None:
        self.topic = rospy.resolve_name(topic)
        self._names = tuple(joint_names)
        self._states: deque[JointState] = deque()
        self._arrived = 0.0  # monotonic time of the newest
        self._others: set[str] = set()  # joints of messages that lack some of ours
        self._news = threading.Condition()
        self._subscriber = rospy.Subscriber(topic, JointStateMessage, self._receive, queue_size=50, tcp_nodelay=True)

    def close(self) -> None:
        self._subscriber.unregister()

    def newest(self, patience: float = 0.0) -> JointState:
        """The newest state.

        Args:
            patience: how long to wait for the first one, seconds.

        Raises:
            MotionError: there is none, or none that is fresh.
        """
        with self._news:
            if not self._news.wait_for(lambda: self._states, patience):
                raise MotionError(self._silence())
            state, age = self._states[-1], time.monotonic() - self._arrived
        if age > STALE:
            raise MotionError(f"{self.topic} has been silent for {age:.1f} s: see the arm's driver and its connection")
        if abs(behind := rospy.get_time() - state.stamp) > max(STALE, age + STALE):
            raise MotionError(
                f"the stamps on {self.topic} are {behind:.1f} s behind this computer's clock: synchronise them (chrony)"
            )
        return state

    def wait_for_news(self, timeout: float) -> None:
        with self._news:
            self._news.wait(timeout)

    def rest(self) -> tuple[float | None, str]:
        """Since when (s) the joints have been at rest, None where they are not; then why, in words."""
        newest = self.newest()
        with self._news:
            states = list(self._states)
        still: list[float] = []  # stamps, the newest first
        disturbance = ""
        for state in reversed(states):
            if disturbance := self._disturbance(state, newest):
                break
            still.append(state.stamp)
        if len(still) < STILL_SAMPLES or newest.stamp - still[-1] < STILL_TIME:
            return None, disturbance or f"{self.topic} has told too little yet"
        return still[-1], ""

    def _disturbance(self, state: JointState, newest: JointState) -> str:
        """What tells that the arm was not at rest between two states, empty where nothing does."""
        speed, moved = np.abs(state.velocities), np.abs(state.positions - newest.positions)
        if speed.max() > STILL_VELOCITY:
            return f"{self._names[speed.argmax()]} moves at {speed.max():.3f} rad/s"
        if moved.max() > STILL_POSITION:
            seconds = newest.stamp - state.stamp
            return f"{self._names[moved.argmax()]} moved or jittered by {moved.max():.4f} rad within {seconds:.2f} s"
        return ""

    def _receive(self, message: JointStateMessage) -> None:
        with self._news:
            state = self._ours(message)
            if state is None:
                return
            if self._states and state.stamp <= self._states[-1].stamp:
                if state.stamp > self._states[-1].stamp - MEMORY:
                    return  # repeated, or overtaken
                self._states.clear()  # the clock was set back
            self._states.append(state)
            while self._states[0].stamp < state.stamp - MEMORY:
                self._states.popleft()
            self._arrived = time.monotonic()
            self._news.notify_all()

    def _ours(self, message: JointStateMessage) -> JointState | None:
        """What a message says of our joints; None where it does not tell all their angles."""
        place = {name: i for i, name in enumerate(message.name)}
        if not place.keys() >= set(self._names):
            self._others |= place.keys()
            return None
        if len(message.position) != len(message.name):
            return None  # a driver may leave them out, as it may the velocities
        columns = [place[name] for name in self._names]
        has_velocities = len(message.velocity) == len(message.name)
        velocities = np.array(message.velocity)[columns] if has_velocities else np.zeros(len(columns))
        return JointState(self._names, np.array(message.position)[columns], velocities, message.header.stamp.to_sec())

    def _silence(self) -> str:
        if self._others:
            missing = ", ".join(sorted(set(self._names) - self._others))
            return f"{self.topic} tells of {', '.join(sorted(self._others))}, not of {missing}: see the robot's profile"
        return (
            f"nothing comes on {self.topic}: is the arm's driver running, and the profile's joint_states topic right?"
        )
