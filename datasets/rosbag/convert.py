"""From a bag with a camera and its tf to a recorded dataset."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets.recorded import refuse_scenes
from datasets.rosbag.bag import Bag, Topics, choose_topics
from datasets.rosbag.messages import image_from_message, intrinsics_from_message
from datasets.rosbag.scenes import CameraStream, SceneWriter
from datasets.rosbag.selection import Rules, select_views
from datasets.rosbag.transforms import Transforms


@dataclass(frozen=True)
class Names:
    """Topics and frames of a bag; None: found out.

    Attributes:
        world: the frame that poses are given in: on the table, z up.
        frame: the camera's optical frame.
        marker: a topic of which each message begins a new scene.
    """

    image: str | None = None
    camera_info: str | None = None
    depth: str | None = None
    world: str | None = None
    frame: str | None = None
    marker: str | None = None


FOUND_OUT, BY_MOTION = Names(), Rules()


@dataclass
class Conversion:
    """What became of a bag.

    Attributes:
        used: what the names were found to be.
        scenes: views of each scene.
        left_out: how many images did not become views, by reason.
    """

    used: Names
    scenes: list[int] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def convert_bag(
    path: Path,
    out: Path,
    names: Names = FOUND_OUT,
    rules: Rules = BY_MOTION,
    tf_gap: float = 0.25,
) -> Conversion:
    """Write the scenes of a ROS 1 bag, or of a folder of bags, as a dataset to the folder `out`.

    Args:
        tf_gap: seconds that tf may be silent around an image.

    Raises:
        DatasetError: the bag is damaged or lacks something, there is nothing to convert, or `out` cannot be written
            or holds scenes already.
    """
    refuse_scenes(out)
    with Bag(path) as bag:
        topics = choose_topics(bag, names.image, names.camera_info, names.depth)
        K, distortion, size = _intrinsics(bag, topics)
        transforms = Transforms(bag, tf_gap)
        frame = _frame(bag, topics.image, size, names.frame, transforms)
        world = _world(bag, names.world, frame, transforms)
        stream = CameraStream(bag, topics)
        markers = _markers(bag, names.marker)
        selection = select_views(stream.paired, markers, lambda stamp: transforms.pose(world, frame, stamp), rules)
        if len(stream.paired) < len(stream.stamps):
            selection.left_out["has no depth of the same moment"] = len(stream.stamps) - len(stream.paired)
        used = Names(topics.image, topics.camera_info, topics.depth, world, frame, names.marker)
        done = Conversion(used, left_out=selection.left_out)
        facts = {"camera": topics.image, "world_frame": world, "camera_frame": frame, "bag": str(path)}
        writer = SceneWriter(out, K, distortion, facts)
        for chosen in selection.scenes:
            views, damaged = stream.read(chosen)
            done.left_out["is damaged"] += damaged
            if views:
                writer.write(views)
                done.scenes.append(len(views))
        done.left_out = +done.left_out
        if not done.scenes:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in done.left_out.most_common())
            raise bag.error(f"none of the {len(stream.stamps)} images of {topics.image} became a view: {reasons}")
        writer.finish(path.stem)
        return done


def _intrinsics(bag: Bag, topics: Topics) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """K, distortion and image size; the same over the bag."""
    found = None
    for _, message in bag.messages(topics.camera_info):
        try:
            lens = intrinsics_from_message(message, rectified="rect" in topics.image.rpartition("/")[2])
        except ValueError as error:
            raise bag.error(f"{topics.camera_info}: {error}") from error
        if lens is None:
            raise bag.error(f"{topics.camera_info}: the camera is not calibrated (K is zero)")
        (K, distortion), size = lens, (message.height, message.width)
        if found and not (np.allclose(found[0], K) and np.allclose(found[1], distortion) and found[2] == size):
            raise bag.error(f"{topics.camera_info}: the intrinsics change within the bag; convert its parts one by one")
        found = K, distortion, size
    if found is None:
        raise bag.error(f"{topics.camera_info} has no message")
    return found


def _frame(bag: Bag, image: str, size: tuple[int, int], given: str | None, transforms: Transforms) -> str:
    """The camera's optical frame: as given, or as the images' headers say. The first image must be readable."""
    first = next(bag.messages(image), None)
    if first is None:
        raise bag.error(f"{image} has no message")
    try:
        height, width = image_from_message(first[1]).shape[:2]
    except ValueError as error:
        raise bag.error(f"{image}: {error}") from error
    if (height, width) != size:
        raise bag.error(f"{image} is of {width} x {height}, and its camera_info of {size[1]} x {size[0]}")
    frame = (given or first[1].header.frame_id).strip("/")
    if frame not in transforms.frames:
        raise bag.error(
            f"tf knows no frame '{frame}' of {image}, it knows {', '.join(transforms.frames) or 'none'}; "
            f"give the camera's optical frame with --frame"
        )
    return frame


def _world(bag: Bag, given: str | None, frame: str, transforms: Transforms) -> str:
    """The frame that poses are told in: as given, `world`, or the one that the camera's frame hangs on in the end."""
    if given is not None and given.strip("/") not in transforms.frames:
        raise bag.error(f"tf knows no frame '{given}' (--world), it knows {', '.join(transforms.frames)}")
    if given is None:
        return "world" if "world" in transforms.frames else transforms.root(frame)
    return given.strip("/")


def _markers(bag: Bag, topic: str | None) -> list[int]:
    """When the messages of a topic were recorded; markers need no header."""
    if topic is None:
        return []
    if topic not in bag.topics:
        raise bag.error(f"has no topic {topic} (--marker)")
    return [record.time for record in bag.records(topic)]
