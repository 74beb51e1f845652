"""A bag, or a folder of bags, as one stream of messages; and which of its topics hold a camera."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from datasets.rosbag.chunks import limit_chunks
from datasets.scene import DatasetError

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO, TF = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
DEFINITIONS = {  # their MD5 sums in ROS 1: a bag brings definitions of its own
    IMAGE: "060021388200f6f0f447d0fcd9c64743", COMPRESSED: "8f7a12909da2c9d3332d540a0977563f",
    CAMERA_INFO: "c9a58c1b0b154e0e6da7578cb991d214", TF: "94810edda583a504dfda3829e70d7eec",
}  # fmt: skip


class Record(NamedTuple):
    """A message as it lies in the bag `path`: `time` is when it was recorded, nanoseconds."""

    path: Path
    topic: str
    kind: str
    time: int
    data: bytes

    @property
    def stamp(self) -> int:
        """The stamp in the message's header, nanoseconds; of messages that begin with a header.

        Raises DatasetError where it is too short to have one.
        """
        try:
            _, seconds, nanoseconds = struct.unpack_from("<III", self.data)
        except struct.error as error:
            raise DatasetError(f"{self.path}: a message on {self.topic} is damaged; copy the bag again") from error
        return seconds * 10**9 + nanoseconds


@dataclass(frozen=True)
class Topics:
    """The camera's topics; `depth` is None where none was asked for."""

    image: str
    camera_info: str
    depth: str | None = None


class Bag:
    """An open bag. A context manager.

    Attributes:
        path: the bag, or the folder of bags.
        files: the bags.

    Raises:
        DatasetError: there is no bag, or it is damaged or of ROS 2.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = sorted(path.rglob("*.bag")) if path.is_dir() else [path]
        if not path.exists():
            raise DatasetError(f"{path}: no such bag")
        if not self.files:
            raise DatasetError(f"{path}: the folder holds no *.bag; only ROS 1 bags can be read")

    def __enter__(self) -> Bag:
        from rosbags.highlevel import AnyReader

        try:
            self._reader = AnyReader(self.files)
            self._reader.open()
        except Exception as error:  # whatever damaged bytes make of rosbags' parsers
            raise DatasetError(
                f"{self.path}: cannot be read as a ROS 1 bag ({_brief(error)}); `rosbag reindex` repairs a bag whose "
                f"recording was interrupted (its name ends in .active)"
            ) from error
        for reader in self._reader.readers:
            limit_chunks(reader)
        for connection in self._reader.connections:
            if DEFINITIONS.get(connection.msgtype, connection.digest) != connection.digest:
                raise self.error(f"{connection.topic} has messages of another definition than ROS 1 has of their type")
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """Name -> message type."""
        return {connection.topic: connection.msgtype for connection in self._reader.connections}

    def messages(self, *topics: str) -> Iterator[tuple[str, Any]]:
        """Topics and messages in the order of their recording. Raises DatasetError where the bag is damaged."""
        for record in self.records(*topics):
            yield record.topic, self.parse(record)

    def parse(self, record: Record) -> Any:
        """The message of a record, as rosbags gives it. Raises DatasetError where it is none of its kind."""
        try:
            return self._reader.deserialize(record.data, record.kind)
        except Exception as error:  # as above
            raise DatasetError(
                f"{self.path}: a message on {record.topic} is damaged ({_brief(error)}); copy the bag again"
            ) from error

    def records(self, *topics: str, start: int | None = None, stop: int | None = None) -> Iterator[Record]:
        """The same as `messages`, not yet parsed; those recorded from `start` to before `stop`, nanoseconds."""
        connections = [c for c in self._reader.connections if c.topic in topics]
        if not connections:
            return
        messages = self._reader.messages(connections, start, stop)
        while True:
            try:
                connection, time, data = next(messages)
            except StopIteration:
                return
            except Exception as error:  # whatever damaged bytes make of rosbags' parsers
                raise DatasetError(f"{self.path}: is damaged ({_brief(error)}); copy or `rosbag reindex` it") from error
            yield Record(self.path, connection.topic, connection.msgtype, time, data)

    def error(self, what: str) -> DatasetError:
        """An error that names the bag, and lists its topics."""
        listed = ", ".join(f"{topic} ({kind.replace('/msg/', '/')})" for topic, kind in sorted(self.topics.items()))
        return DatasetError(f"{self.path}: {what}. Its topics: {listed or 'none'}")


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def choose_topics(bag: Bag, image: str | None, camera_info: str | None, depth: str | None) -> Topics:
    """The camera's topics: those given, and for the others what the bag leaves no doubt about.

    Raises:
        DatasetError: a topic is not in the bag or of another type, or there is a choice to make. Lists the topics.
    """
    image = choose_image_topic(bag, image, "--image")
    beside = image.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"
    infos = [topic for topic, kind in bag.topics.items() if kind == CAMERA_INFO]
    info = _given(bag, camera_info, (CAMERA_INFO,), "--camera-info") or (beside if beside in infos else None)
    if info is None and len(infos) != 1:
        raise bag.error(f"has {len(infos) or 'no'} camera_info for {image}; give one with --camera-info")
    return Topics(image, info or infos[0], _given(bag, depth, (IMAGE,), "--depth"))


def choose_image_topic(bag: Bag, given: str | None, option: str) -> str:
    """The image topic that was given by a command's `option`, or the only one. Raises DatasetError as choose_topics."""
    return _given(bag, given, (IMAGE, COMPRESSED), option) or _only_image(bag, option)


def _given(bag: Bag, topic: str | None, kinds: tuple[str, ...], option: str) -> str | None:
    if topic is None:
        return None
    if topic not in bag.topics:
        raise bag.error(f"has no topic {topic} ({option})")
    if bag.topics[topic] not in kinds:
        told = " or ".join(kind.replace("/msg/", "/") for kind in kinds)
        raise bag.error(f"{topic} ({option}) is of type {bag.topics[topic].replace('/msg/', '/')}, not {told}")
    return topic


def _only_image(bag: Bag, option: str) -> str:
    found = [t for t, kind in bag.topics.items() if kind in (IMAGE, COMPRESSED) and "depth" not in t.lower()]
    raw = [topic for topic in found if topic + "/compressed" not in found]  # the lighter one of the same pictures
    if len(raw) != 1:
        told = f"has {len(raw)} image topics ({', '.join(sorted(raw))})" if raw else "has no image topic"
        raise bag.error(f"{told}; say with {option} which to take")
    return raw[0]
