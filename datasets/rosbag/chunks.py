"""Compressed chunks of a bag, without trusting how much they unpack to."""

from __future__ import annotations

from bz2 import BZ2Decompressor
from collections.abc import Callable
from typing import Any

from datasets.scene import DatasetError
from datasets.scene_dataset import MAX_ARRAY_BYTES


def limit_chunks(reader: Any) -> None:
    """Let an open reader of rosbags (rosbag1.Reader) refuse chunks that unpack to more than MAX_ARRAY_BYTES."""
    from lz4.frame import LZ4FrameDecompressor
    from rosbags.rosbag1.reader import decompressors

    limited = {
        decompressors["bz2"]: lambda data: _unpacked(BZ2Decompressor, data),
        decompressors["lz4"]: lambda data: _unpacked(LZ4FrameDecompressor, data),
    }
    for position, chunk in reader.chunks.items():
        unpack = limited.get(chunk.decompressor, chunk.decompressor)
        reader.chunks[position] = chunk._replace(decompressor=unpack)


def _unpacked(decompressor: Callable[[], Any], data: bytes) -> bytes:
    """What compressed streams, one after another, unpack to. Raises DatasetError where that is too much."""
    parts: list[bytes] = []
    room = MAX_ARRAY_BYTES
    while data:
        stream = decompressor()
        parts.append(stream.decompress(data, max_length=room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise DatasetError(f"a chunk unpacks to more than {MAX_ARRAY_BYTES / 1e9:.0f} GB")
        if not stream.eof:
            raise DatasetError("a chunk is cut off")
        data = stream.unused_data or b""
    return b"".join(parts)
