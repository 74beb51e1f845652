"""What the scenes of recorded datasets are called: scene_000000, scene_000001, ..."""

from __future__ import annotations

import re

_NAME = re.compile(r"scene_(\d+)")


def scene_name(number: int) -> str:
    return f"scene_{number:06d}"


def scene_number(name: str) -> int | None:
    """The number in a scene's name, which has no suffix; None where it is no such name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None
