"""Valid content made hostile: bytes that are cut, flipped and spliced, trees whose values become others."""

from __future__ import annotations

import copy
import json
import math
import struct
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import yaml

HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
DEEP = "a deeply nested list"  # stands for one, which neither json nor yaml would write


def mutated(rng: Random, content: bytes, other: bytes = b"") -> bytes:
    """One to four mutations of `content`; `other` is what pieces come from, another valid file."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(_BYTES)(rng, content, other or content)
    return content


def _truncate(rng: Random, content: bytes, other: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(rng: Random, content: bytes, other: bytes) -> bytes:
    flipped = bytearray(content)
    for _ in range(min(len(content), rng.choice((1, 1, 2, 8, 64)))):
        flipped[_place(rng, content)] ^= 1 << rng.randrange(8)
    return bytes(flipped)


def _overwrite(rng: Random, content: bytes, other: bytes) -> bytes:
    at, size = _place(rng, content), rng.choice((1, 4, 8, 64))
    filling = rng.choice((b"\0", b"\xff", b"9", b" ")) * size
    return content[:at] + filling + content[at + size :]


def _declare(rng: Random, content: bytes, other: bytes) -> bytes:
    """Another number where one may stand, in either byte order."""
    at, kind = _place(rng, content), rng.choice("<I >I <Q >Q".split())
    number = rng.choice((0, 1, 3, *HUGE)) % 256 ** struct.calcsize(kind)
    return content[:at] + struct.pack(kind, number) + content[at + struct.calcsize(kind) :]


def _splice(rng: Random, content: bytes, other: bytes) -> bytes:
    at, size = _place(rng, other), rng.choice((8, 100, 1000, len(other)))
    to = rng.choice((at, _place(rng, content)))
    return content[:to] + other[at : at + size] + content[to + rng.choice((0, size)) :]


def _swap_headers(rng: Random, content: bytes, other: bytes) -> bytes:
    size = rng.choice((4, 8, 64, 512))
    return other[:size] + content[size:]


def _place(rng: Random, content: bytes) -> int:
    """Where to change something: half of the time near the beginning, where headers are."""
    return rng.randrange(max(1, min(len(content), rng.choice((64, 1024, len(content), len(content))))))


_BYTES: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _truncate, _flip, _flip, _overwrite, _declare, _declare, _splice, _swap_headers
)  # fmt: skip


def odd_value(rng: Random) -> Any:
    """What nobody expects in a file of settings or facts."""
    return rng.choice((
        None, True, False, 0, -1, 1, 3, 255, 256, -(2**31), *HUGE, 10**30, 0.5, -0.0, 1e-320, 1e308, math.nan, math.inf,
        "", "x", "1", "nan", "???", "${x}", "${oc.env:HOME}", "../outside", "/etc/passwd", "a\0b", "a\nb", "\ud7ff",
        "x" * 5000, [], {}, [[]], [None], {"": 0}, {"a": {"a": 1}}, [0] * 5000, list(range(300)), DEEP,
    ))  # fmt: skip


def mutated_tree(rng: Random, tree: Any) -> Any:
    """A copy of nested dicts and lists in which one to three places are changed."""
    root = [copy.deepcopy(tree)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change(rng, *rng.choice(list(_places(root))))
    return root[0]


def _change(rng: Random, parent: Any, key: Any) -> None:
    how = rng.randrange(10)
    if how < 5:
        parent[key] = odd_value(rng)
    elif how == 5 and isinstance(parent[key], str | list):
        parent[key] = parent[key] * rng.choice((0, 2, 1000))
    elif how == 6 and isinstance(parent[key], int | float):
        parent[key] = parent[key] * rng.choice((-1, 2, 1e6, 1e300))
    elif how == 7 and isinstance(parent, dict):
        parent[rng.choice(("x", "", "a\nb", 0, None))] = parent.pop(key)
    elif how == 8 and isinstance(parent, dict):
        del parent[key]
    elif how == 9 and isinstance(parent, list) and len(parent) > 1:
        del parent[key]
    else:
        parent[key] = [copy.deepcopy(parent[key])] * rng.choice((1, 2, 5))


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, key) in a tree."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def as_json(rng: Random, tree: Any) -> bytes:
    return _deepened(rng, json.dumps(tree))


def as_yaml(rng: Random, tree: Any) -> bytes:
    return _deepened(rng, yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=10**6))


def _deepened(rng: Random, text: str) -> bytes:
    depth = rng.choice((20, 400, 3000, 100_000))
    deep = "[" * depth + "]" * depth
    return text.replace(f'"{DEEP}"', deep).replace(DEEP, deep).encode()
