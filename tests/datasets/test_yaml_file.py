"""YAML of others: plain data comes out, and a few lines cannot fill the memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets.yaml_file import read_yaml


def test_plain_data_comes_out_with_what_it_repeats(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: &a {b: [1, 2.5, text]}\nc: *a\nd: {<<: *a, e: null}\n")
    assert read_yaml(path) == {"a": (b := {"b": [1, 2.5, "text"]}), "c": b, "d": {**b, "e": None}}


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "[" * 100_000,
        "a: &a [*a]",
        "z0: &z0 [1]\n" + "".join(f"z{i + 1}: &z{i + 1} [{', '.join([f'*z{i}'] * 9)}]\n" for i in range(9)),
        "z0: &z0 {a: 1}\n" + "".join(f"z{i + 1}: &z{i + 1} {{<<: [{', '.join([f'*z{i}'] * 9)}]}}\n" for i in range(9)),
        "a: 2026-13-45",
        "a: !!timestamp 1",
        "a: !!int ''",
        "a: !!python/object/apply:os.getcwd []",
    ],
    ids=["torn", "deep", "in itself", "aliases", "merges", "month 13", "no time", "no number", "Python"],
)
def test_what_is_not_plain_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no valid YAML") as refused:
        read_yaml(path)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
