"""Dataclasses as plain data that YAML can hold, and back with every key checked."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from datetime import datetime
from typing import Any, TypeVar

import numpy as np

Record = TypeVar("Record")

SHAPES = {"K": (3, 3), "distortion": (5,), "T_tool_camera": (4, 4)}


def to_plain(value: Any) -> Any:
    """A dataclass as dicts, lists, numbers, texts and dates; fields that are None are left out."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: to_plain(content) for name, content in fields.items() if content is not None}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def from_plain(kind: type[Record], data: object, name: str) -> Record:
    """The dataclass `kind` from what `to_plain` made of one.

    Args:
        name: of the data, for the message.

    Raises:
        ValueError: a key is missing, not known, or its content not possible; names it.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{name} is not a list of keys and values")
    hints = typing.get_type_hints(kind)
    if unknown := [key for key in data if key not in hints]:
        raise ValueError(f"{name} has a key that is not known: {repr(unknown[0])[:100]}")
    return kind(**{key: _content(hint, data.get(key), key, f"'{key}' in {name}") for key, hint in hints.items()})


def _content(hint: Any, value: object, key: str, name: str) -> Any:
    if isinstance(hint, types.UnionType):  # X | None
        return None if value is None else _content(typing.get_args(hint)[0], value, key, name)
    if value is None:
        raise ValueError(f"{name} is missing")
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return from_plain(hint, value, name)
    if hint is np.ndarray:
        return _array(value, SHAPES[key], name)
    if typing.get_origin(hint) is tuple:
        return _texts(value, name)
    if hint is float:
        return _number(value, name)
    if type(value) is not hint:
        raise ValueError(f"{name} is {repr(value)[:100]} and not {_WORDS[hint]}")
    return value


_WORDS = {str: "a text", int: "a whole number", bool: "true or false", datetime: "a date with time and time zone"}


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf or abs(value) > 1e300:
        raise ValueError(f"{name} is {repr(value)[:100]} and not a number")
    return float(value)


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{name} is not a list of texts")
    return tuple(value)


def _array(value: object, shape: tuple[int, ...], name: str) -> np.ndarray:
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} is not {' x '.join(map(str, shape))} numbers")
    return array
