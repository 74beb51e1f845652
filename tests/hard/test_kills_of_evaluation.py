"""kill -9 while `lds eval` measures and writes: no file is ever half written, and the next attempt is complete."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch
from kills import duration, finished_files, killed
from nursery import Nursery

from datasets.packing import write_packed
from datasets.scene import Scene
from lds_cli.evaluate import evaluate
from lds_models.registry import build_model
from lds_models.weights import save_weights

SMALL = {
    "name": "monet",
    "image_size": 16,
    "num_slots": 2,
    "latent_dim": 2,
    "attention_channels": 2,
    "decoder_channels": 2,
}


def write_inputs(folder: Path) -> None:
    torch.manual_seed(0)
    save_weights(folder / "w.safetensors", build_model(SMALL), {"name": "tiny"})
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 256, (2, 16, 16, 3), np.uint8), rng.integers(0, 3, (2, 16, 16), np.uint8)
    scenes = [Scene(f"s{index}", images + np.uint8(index), masks=masks) for index in range(2)]
    write_packed(folder / "p.h5", scenes, "here", "test", "digest", 16)


def evaluate_it(folder: Path, out: Path) -> None:
    torch.set_num_threads(1)
    sys.argv, sys.stdout = ["lds", "eval"], open(os.devnull, "w")
    evaluate(str(folder / "w.safetensors"), folder / "p.h5", out=out, batch_size=2, device="cpu")


def test_evaluation_survives_kills_at_any_moment(nursery: Nursery, share: Callable[[int], int], tmp_path: Path) -> None:
    write_inputs(tmp_path)
    whole, out, rng, kills = tmp_path / "whole", tmp_path / "out", Random(0), 0
    seconds = min(duration(nursery, evaluate_it, tmp_path, run) for run in (tmp_path / "first", whole))
    expected = _content(whole)
    while kills < share(100):
        # Half of the kills when it writes, which is the last third.
        earliest = rng.choice((0.0, 0.6))
        kills += killed(nursery, rng.uniform(earliest, 1.02) * seconds, evaluate_it, tmp_path, out)
        found = _content(out) if out.exists() else {}
        assert found.items() <= expected.items(), [name for name in found if found[name] != expected.get(name)]
        if rng.random() < 0.5:  # the others write over what is there
            for path in found:
                (out / path).unlink()
    assert nursery.wait(nursery.start(evaluate_it, tmp_path, out)) == 0
    assert _content(out) == expected


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: (folder / path).read_bytes() for path in finished_files(folder)}
