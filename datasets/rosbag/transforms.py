"""tf out of a bag: poses at a moment, interpolated, and never guessed."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from datasets.poses import pose_of_numbers
from datasets.rosbag.bag import TF, Bag


class NoPose(Exception):
    """There is no pose at that moment. The message is a reason that moments have in common."""


class Transforms:
    """The frames of a bag, and their movement.

    Args:
        max_gap: seconds that tf may be silent between two transforms that are interpolated.
    """

    def __init__(self, bag: Bag, max_gap: float) -> None:
        self._max_gap = max_gap
        self._static: dict[str, np.ndarray] = {}
        moving: dict[str, dict[int, tuple[float, ...]]] = defaultdict(dict)  # child -> stamp, ns -> translation, xyzw
        self._parents: dict[str, str] = {}
        for topic, message in bag.messages(*(topic for topic, kind in bag.topics.items() if kind == TF)):
            for transform in message.transforms:
                parent, child = transform.header.frame_id.strip("/"), transform.child_frame_id.strip("/")
                if self._parents.setdefault(child, parent) != parent:
                    raise bag.error(f"{topic}: frame '{child}' hangs on '{self._parents[child]}' and on '{parent}'")
                t, r, stamp = transform.transform.translation, transform.transform.rotation, transform.header.stamp
                values = (t.x, t.y, t.z, r.x, r.y, r.z, r.w)
                if topic.endswith("tf_static"):
                    self._static[child] = pose_of_numbers(values[:3], values[3:])
                else:
                    moving[child][stamp.sec * 10**9 + stamp.nanosec] = values
        self._moving = {
            child: (np.array(sorted(rows), np.int64), np.array([rows[stamp] for stamp in sorted(rows)]))
            for child, rows in moving.items()
        }

    @property
    def frames(self) -> list[str]:
        return sorted({*self._parents, *self._parents.values()})

    def root(self, frame: str) -> str:
        """The frame that all others above `frame` hang on."""
        return self._chain(frame)[-1]

    def pose(self, world: str, frame: str, stamp: int) -> np.ndarray:
        """T_world_frame [4,4] at a moment, nanoseconds: positions interpolated, rotations by slerp.

        Raises:
            NoPose: tf does not reach from one to the other, does not reach to that moment, or is silent around it.
        """
        up, down = self._chain(frame), self._chain(world)
        if up[-1] != down[-1]:
            raise NoPose(f"tf does not connect '{world}' and '{frame}'")
        shared = next(name for name in up if name in down)
        below = self._along(up[: up.index(shared)], stamp)
        return np.linalg.inv(self._along(down[: down.index(shared)], stamp)) @ below

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return chain

    def _along(self, children: list[str], stamp: int) -> np.ndarray:
        total = np.eye(4)
        for child in children:
            total = self._edge(child, stamp) @ total
        return total

    def _edge(self, child: str, stamp: int) -> np.ndarray:
        if child in self._static:
            return self._static[child]
        from scipy.spatial.transform import Rotation, Slerp

        stamps, values = self._moving[child]
        after = int(np.searchsorted(stamps, stamp))
        if after < len(stamps) and stamps[after] == stamp:
            return pose_of_numbers(values[after, :3], values[after, 3:])
        if after in (0, len(stamps)):
            raise NoPose("tf does not reach to the image's stamp")
        pause = int(stamps[after] - stamps[after - 1])
        if pause > self._max_gap * 1e9:
            raise NoPose(f"tf is silent for more than {self._max_gap:g} s around the image's stamp")
        first, second = values[after - 1], values[after]
        share = int(stamp - stamps[after - 1]) / pause
        rotation = Slerp([0, 1], Rotation.from_quat([first[3:], second[3:]]))(share)
        return pose_of_numbers(first[:3] + share * (second[:3] - first[:3]), rotation.as_quat())
