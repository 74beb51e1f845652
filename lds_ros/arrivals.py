"""The newest messages of a topic, and when they came."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import rospy

from lds_ros.publishers import Silence, explain_silence

BUFFER = 2**24  # bytes; a buffer smaller than a frame makes rospy work through old frames
AHEAD = 0.05  # seconds that a stamp may lie in the future: what clocks that agree may differ by
SET_BACK = 1.0  # seconds that a stamp lies before the last one only where a clock was set back
KEPT = 16  # messages of each topic: about a second of a slow camera


@dataclass(frozen=True)
class Arrival:
    """A message (of a type that rospy generated), its stamp, and how long after it the message came, seconds."""

    message: Any
    stamp: float
    delay: float

    def clock_problem(self, max_delay: float) -> str | None:
        """Why an image's stamp cannot be the time of its exposure, on this computer's clock; None where it can.

        Args:
            max_delay: seconds from stamp to arrival, above which the clocks are taken to differ.
        """
        if not self.stamp:
            return "its images have no stamp (0): set the driver to stamp them, or use another driver"
        if self.delay < -AHEAD:
            return (
                f"its images are stamped {-self.delay:.2f} s in the future: the camera's computer has another clock; "
                "synchronise both (chrony), and set use_sim_time on all nodes or on none"
            )
        if self.delay > max_delay:
            return (
                f"its images are stamped {self.delay:.2f} s before they come, and {max_delay:g} s is allowed: the "
                "camera's computer has another clock (synchronise both with chrony), the way here is too slow (lower "
                "the camera's rate or size), or a bag is played without --clock and use_sim_time"
            )
        return None


class Arrivals:
    """The newest messages of a topic, oldest first. Listens from its beginning until `close`.

    Args:
        kind: of message, one with a header.
        changed: notified of every message.

    Attributes:
        name: of the topic, in full.
        count: of the messages that came so far.
    """

    def __init__(self, topic: str, kind: Any, changed: threading.Condition) -> None:
        self.name = rospy.resolve_name(topic)
        self.count = 0
        self._newest: deque[Arrival] = deque(maxlen=KEPT)
        self._type, self._changed = kind._type, changed
        self._subscriber = rospy.Subscriber(self.name, kind, self._receive, queue_size=1, buff_size=BUFFER)

    def _receive(self, message: Any) -> None:
        stamp = message.header.stamp.to_sec()
        with self._changed:
            if self._newest and stamp < self._newest[-1].stamp - SET_BACK:
                self._newest.clear()
            self._newest.append(Arrival(message, stamp, rospy.get_time() - stamp))
            self.count += 1
            self._changed.notify_all()

    @property
    def newest(self) -> tuple[Arrival, ...]:
        return tuple(self._newest)

    @property
    def period(self) -> float:
        """Seconds between two messages; 0 while it is unknown."""
        stamps = [arrival.stamp for arrival in self.newest]
        return float(np.median(np.diff(stamps))) if len(stamps) > 2 else 0.0

    def silence(self) -> Silence:
        """Why nothing comes, and what to do."""
        return explain_silence(self.name, self._type)

    def close(self) -> None:
        self._subscriber.unregister()
