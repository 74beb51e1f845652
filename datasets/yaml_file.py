"""YAML files as plain data, without trusting them: no Python objects, and little text does not unpack to much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH, MAX_ALIASES = 50, 20  # twenty can multiply what they repeat by some thousand


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no valid YAML, or nests or repeats itself without measure. One line, not naming the file.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _FrugalLoader)
    except UnicodeDecodeError as error:
        raise ValueError(f"is no text ({error})") from error
    # Beside its own errors, PyYAML lets through what its conversions raise: of the date 2026-13-45, say.
    except (
        yaml.YAMLError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"is no valid YAML ({' '.join(str(error).split())[:300]})") from error


class _FrugalLoader(yaml.SafeLoader):
    """Refuses what is nested too deeply, holds itself, or repeats parts of itself too often."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._around: list[yaml.Node | None] = []
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._around.append(parent)
        is_alias = self.check_event(yaml.AliasEvent)
        self._aliases += is_alias
        if len(self._around) > MAX_DEPTH or self._aliases > MAX_ALIASES:
            raise yaml.YAMLError("it is nested too deeply, or repeats parts of itself too often")
        node = super().compose_node(parent, index)
        if is_alias and any(node is other for other in self._around):
            raise yaml.YAMLError("it holds itself")
        self._around.pop()
        return node
