"""The chosen views of a bag: their pictures are read, and scene after scene is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.dataset_index import usual_splits, write_dataset_index
from datasets.recorded import write_scene
from datasets.rosbag.bag import Bag, Topics
from datasets.rosbag.messages import depth_from_message, image_from_message
from datasets.scene import Scene
from datasets.scene_names import scene_name

DEPTH_APART = 20 * 10**6  # nanoseconds between an image and its depth


@dataclass(frozen=True)
class View:
    """A chosen image: its stamp in nanoseconds, T_world_camera [4,4], picture and depth."""

    stamp: int
    pose: np.ndarray
    image: np.ndarray
    depth: np.ndarray | None


class CameraStream:
    """The images of a bag, and their depth where a topic of it is given.

    Attributes:
        stamps: of the images, nanoseconds, in the order of their recording.
        paired: those that have a depth; all, where no topic of it is given.
    """

    def __init__(self, bag: Bag, topics: Topics) -> None:
        self._bag, self._topics = bag, topics
        images = [(record.stamp, record.time) for record in bag.records(topics.image)]
        self._times = dict(images)
        self.stamps = [stamp for stamp, _ in images]
        self._depths = _nearest_depths(bag, topics.depth, self.stamps) if topics.depth else {}
        self.paired = [stamp for stamp in self.stamps if topics.depth is None or stamp in self._depths]

    def read(self, chosen: Sequence[tuple[int, np.ndarray]]) -> tuple[list[View], int]:
        """The chosen images, given by stamp and pose, as views, and how many of them are damaged."""
        wanted = [stamp for stamp, _ in chosen]
        images, damaged = self._pictures(self._topics.image, {s: self._times[s] for s in wanted}, image_from_message)
        depths = {}
        if self._topics.depth:
            times = dict(self._depths[s] for s in wanted)
            found, _ = self._pictures(self._topics.depth, times, depth_from_message)
            depths = {stamp: found[self._depths[stamp][0]] for stamp in wanted if self._depths[stamp][0] in found}
        views = [View(stamp, pose, images[stamp], depths.get(stamp)) for stamp, pose in chosen if stamp in images]
        whole = [view for view in views if self._topics.depth is None or view.depth is not None]
        return whole, damaged + len(views) - len(whole)

    def _pictures(self, topic: str, times: dict[int, int], decode: Callable) -> tuple[dict[int, np.ndarray], int]:
        """Decoded pictures by stamp, and how many are damaged; `times` are those of their recording."""
        pictures, damaged = {}, 0
        for record in self._bag.records(topic, start=min(times.values()), stop=max(times.values()) + 1):
            if record.stamp in times and record.stamp not in pictures:
                try:
                    pictures[record.stamp] = decode(self._bag.parse(record))
                except ValueError:
                    damaged += 1
        return pictures, damaged


class SceneWriter:
    """Writes scenes of one camera to a folder.

    Args:
        facts: flat facts about all of them.
    """

    def __init__(self, out: Path, K: np.ndarray, distortion: np.ndarray, facts: dict[str, Any]) -> None:
        self._out, self._K, self._distortion, self._facts = out, K, distortion, facts
        self._files: dict[str, int] = {}

    def write(self, views: Sequence[View]) -> None:
        """Raises DatasetError."""
        name = scene_name(len(self._files))
        depths = [view.depth for view in views if view.depth is not None]
        scene = Scene(
            name,
            images=np.stack([view.image for view in views]),
            T_world_camera=np.stack([view.pose for view in views]),
            K=np.broadcast_to(self._K, (len(views), 3, 3)).copy(),
            distortion=self._distortion,
            depth=np.stack(depths) if depths else None,
            stamps=np.array([view.stamp * 1e-9 for view in views]),
            meta={"kind": "rosbag"},
        )
        write_scene(self._out / f"{name}.h5", scene, self._facts)
        self._files[f"{name}.h5"] = len(views)

    def finish(self, name: str) -> None:
        """Write dataset.json. Raises DatasetError."""
        write_dataset_index(self._out, name, "rosbag", self._files, usual_splits(self._files))


def _nearest_depths(bag: Bag, topic: str, stamps: Sequence[int]) -> dict[int, tuple[int, int]]:
    """For each image's stamp that of its depth, and when this was recorded; without those that have none."""
    times = {record.stamp: record.time for record in bag.records(topic)}
    found = np.array(sorted(times), np.int64)
    if not len(found):
        return {}
    nearest = {stamp: int(found[np.abs(found - stamp).argmin()]) for stamp in stamps}
    return {stamp: (depth, times[depth]) for stamp, depth in nearest.items() if abs(stamp - depth) <= DEPTH_APART}
