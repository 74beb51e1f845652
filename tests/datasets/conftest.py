"""Small datasets for the tests of `datasets`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn import FOV, SIZE, SPHERES, VIEWS, draw_scene, save_npz

from datasets.camera import look_at, pinhole
from datasets.scene import Scene
from lds_cli import main as lds


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str, str]]:
    """Runs `lds ...` and returns exit code, standard output and standard error."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lds", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            lds.main()
        return (ended.value.code or 0, *capsys.readouterr())

    monkeypatch.setenv("COLUMNS", "200")
    return command


@pytest.fixture
def official(tmp_path: Path) -> Callable[..., Path]:
    """Writes a dataset of two train scenes and a test scene; hooks change what is written."""

    def write(
        arrays: Callable[[dict], dict] = lambda arrays: arrays,
        entry: Callable[[dict], dict] = lambda entry: entry,
        save: Callable[[Path, dict], None] = save_npz,
        name: str = "clevr_mv",
    ) -> Path:
        root = tmp_path / name
        (root / "data").mkdir(parents=True)
        for split, numbers in (("train", (0, 1)), ("test", (2,))):
            scenes = []
            for number in numbers:
                drawn, described = draw_scene(seed=number)
                relative = f"{name}/data/CLEVR_new_{number:06d}.npy"
                scenes.append(entry({"data_path": relative, **described}))
                save(tmp_path / relative, arrays(drawn))
            index = {"info": f"{name} {split}", "num_views": VIEWS, "shape_gallery": ["sphere"], "scenes": scenes}
            (root / f"{name}_{split}.json").write_text(json.dumps(index))
        return root

    return write


@pytest.fixture
def drawn_scene() -> Scene:
    """A scene with everything that a recording can hold."""
    arrays, entry = draw_scene()
    ids = np.concatenate([np.zeros((VIEWS, 1), int), np.array(entry["depth_orders"]) + 1], axis=1)
    masks = np.stack([ids[v][arrays["masks"][v, ..., 0]] for v in range(VIEWS)]).astype(np.uint8)
    rng = np.random.default_rng(7)
    return Scene(
        name="scene_000007",
        images=arrays["images"],
        T_world_camera=np.stack([look_at(np.array(p), np.zeros(3)) for p in entry["camera"]["location"]]),
        K=np.broadcast_to(pinhole(SIZE, SIZE, FOV), (VIEWS, 3, 3)).copy(),
        distortion=np.zeros(5),
        masks=masks,
        amodal_masks=arrays["masks"][..., 1:].transpose(0, 3, 1, 2).astype(bool),
        depth=rng.uniform(0.3, 1.5, (VIEWS, SIZE, SIZE)).astype(np.float32),
        stamps=np.arange(VIEWS) * 0.5 + 1.7e9,
        objects=[{"color": c, "shape": "sphere", "position": list(p)} for c, p, _ in SPHERES],
        meta={"kind": "drawn", "seed": 7},
    )
