"""ROS bags made hostile, as `lds segment` is given them: bytes, records, definitions of messages, compressed chunks."""

from __future__ import annotations

import bz2
import functools
import itertools
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import bags
import lz4.frame
import numpy as np
from batches import MARKER, Kind, expect_none_at_fault
from mutation import mutated
from nursery import Nursery
from rosbags.rosbag1 import Writer

from datasets.scene import DatasetError
from perception.sources import open_source

TOPIC, IMAGE = "/camera/image_raw", "sensor_msgs/msg/Image"
CHUNKS = {"none": None, "bz2": Writer.CompressionFormat.BZ2, "lz4": Writer.CompressionFormat.LZ4}
MORE_MEMORY = 3 * 2**29  # bytes that reading may take: a chunk may unpack to 1 GB
FRAMES = 20
CODE = f'__import__("os").open("{MARKER}", 64)'
DEFINITIONS = (  # of the fields after the header; a reader may make code of them
    "uint32 height\nuint32 width\n", "string data\n", "uint8[] data\nuint8[] data\n", "uint32 __class__\n",
    f"string X={CODE}\n", f"string X='''\\\n{CODE}#\n", f"uint32 height # {CODE}\n", f"uint32 {CODE}\n",
    f"uint32 height={CODE}\n", "uint32 class\nuint32 self\n", "float64[4000000000] data\n",
    "sensor_msgs/Image inner\n", "uint32 data\nuint32 height\nuint32 width\nuint32 step\nuint32 encoding\n", "",
    "x/Missing data\n", "time stamp\n", "uint32 height\n" * 3000,
)  # fmt: skip


@functools.cache
def whole_bag(compression: str) -> bytes:
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.bag"
        writer = Writer(path)
        if CHUNKS[compression] is not None:
            writer.set_compression(CHUNKS[compression])
        with writer:
            camera = writer.add_connection(TOPIC, IMAGE, typestore=bags.store)
            for view in range(3):
                picture = rng.integers(0, 256, (6, 8, 3), np.uint8)
                data = bags.store.serialize_ros1(bags.image(view / 5, picture, "rgb8"), IMAGE)
                writer.write(camera, (bags.START + view) * 10**9, data)
        return path.read_bytes()


def write_bag(rng: Random, folder: Path) -> Path:
    path = folder / "table.bag"
    how = rng.randrange(50)
    if how < 25:
        path.write_bytes(mutated(rng, whole_bag(rng.choice(list(CHUNKS))), whole_bag("none")))
    elif how < 35:
        write_odd_messages(rng, path)
    elif how < 49:
        path.write_bytes(with_definition(rng, whole_bag("none")))
    else:
        path.write_bytes(bomb(rng))
    return path


def write_odd_messages(rng: Random, path: Path) -> None:
    """A sound bag of messages that are not: bytes that are no image, or an image whose fields do not fit."""
    kind = rng.choice((IMAGE, "sensor_msgs/msg/CompressedImage"))
    sound = bags.image(0.0, np.zeros((6, 8, 3), np.uint8), "rgb8")
    if kind != IMAGE:
        sound = bags.compressed(0.0, b"no picture", rng.choice(("jpeg", "", "x" * 1000)))
    with Writer(path) as writer:
        camera = writer.add_connection(TOPIC, kind, typestore=bags.store)
        for number in range(3):
            data = mutated(rng, bytes(bags.store.serialize_ros1(sound, kind)))
            writer.write(camera, (bags.START + number) * 10**9, data)


def with_definition(rng: Random, content: bytes) -> bytes:
    """The bag with another definition of its messages of the same length, as far as it goes."""
    at = [place for place in _places(content, b"message_definition=")]
    old = content[at[0] : content.index(b"MSG: std_msgs/Header", at[0])]
    header = b"" if rng.random() < 0.2 else b"std_msgs/Header header\n"
    new = header + rng.choice(DEFINITIONS).encode() + b"=" * 80 + b"\n"
    return content.replace(old, new[: len(old)].ljust(len(old), b"\n"))


def _places(content: bytes, word: bytes) -> list[int]:
    """Where what follows `word` begins, everywhere."""
    places, at = [], content.find(word)
    while at >= 0:
        places.append(at + len(word))
        at = content.find(word, at + 1)
    return places


def bomb(rng: Random) -> bytes:
    """A bag whose chunk unpacks to gigabytes."""
    kind = rng.choice(("bz2", "lz4"))
    zeros = bytes(2**20)
    packed = bz2.compress(zeros) * 2500 if kind == "bz2" else lz4.frame.compress(zeros * 1500)
    content = whole_bag(kind)
    start = content.index(b"compression=" + kind.encode())
    size_at = start + len(b"compression=") + len(kind) + 4 + len(b"size=") + 4
    (size,) = struct.unpack_from("<I", content, size_at)
    index = content[size_at + 4 + size :]
    moved = struct.pack("<Q", len(content) - size + len(packed) - (len(index) - index.index(b"op=\x07") + 8))
    grown = content[:size_at] + struct.pack("<I", len(packed)) + packed + index
    at = grown.index(b"index_pos=") + len(b"index_pos=")
    return grown[:at] + moved + grown[at + 8 :]


def read_bag(path: Path) -> None:
    """As `lds segment` does, which leaves out pictures that cannot be read."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for frame in itertools.islice(open_source([path]).frames(), FRAMES):
            try:
                picture = frame.read()
            except ValueError as error:
                assert str(error) and "\n" not in str(error)
                continue
            assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size
    finally:
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MORE_MEMORY, "a memory bomb"


def test_every_bag_is_read_or_refused(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    expect_none_at_fault(nursery, Kind(write_bag, read_bag, (DatasetError,)), share(1500), tmp_path)
