"""YAML that people write, made hostile: calibrations, robots, cameras, viewpoints, experiments and their overrides."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from batches import Kind, expect_none_at_fault
from mutation import as_yaml, mutated, mutated_tree, odd_value
from nursery import Nursery

from capture.calibration.board import Board
from capture.calibration.calibration import Calibration, HandEye, IntrinsicsResult, problems
from capture.calibration.calibration_file import load_calibration, save_calibration
from capture.calibration.verdict import Verdict
from capture.calibration.view_folder import Setup, read_setup
from capture.cameras.camera import Intrinsics
from capture.cameras.settings import load_camera
from capture.errors import CaptureError
from capture.motion.robot_profile import load_robot_profile
from capture.motion.viewpoints import OrbitPattern, camera_poses, load_viewpoints
from capture.plain_data import to_plain
from lds_models.presets import config_folder
from lds_models.registry import ConfigError, build_model
from lds_models.training.experiment import load_experiment

CONFIG = config_folder()
TAGS = (
    "!!python/object/apply:os.open [/tmp/lds_scenes_was_unpickled, 64]", "!!python/name:os.system", "!!binary x",
    "!x 1", "!!timestamp 1", "2026-13-45", "0x", "1_000", "&a [*a, *a]", "*a", "${", "${a:b}", "? [1]: 2", "- 1",
    "<<: 3",
)  # fmt: skip
ALIASES = "".join(f"z{i}: &z{i} [{', '.join([f'*z{i - 1}'] * 9 if i else ['1'])}]\n" for i in range(12))


@functools.cache
def calibration() -> str:
    made = datetime(2026, 3, 1, 12, tzinfo=UTC)
    lens = Intrinsics(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), np.zeros(5), 640, 480)
    both = Calibration(
        IntrinsicsResult(lens, "CAM1", made, 0.1, 0.12, 0.3, 0.2, 25, Verdict("good")),
        HandEye(np.eye(4), "ur5e", "CAM1", made, 0.5, 0.02, 0.3, 0.01, 0.2, 20, Verdict("usable", ("turn it",))),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lab.yaml"
        save_calibration(path, both)
        return path.read_text()


def hostile(rng: Random, text: str) -> bytes:
    """YAML whose values, tags, lines or bytes are others."""
    tree = yaml.safe_load(text)
    how = rng.randrange(8)
    if how < 5:
        return as_yaml(rng, mutated_tree(rng, tree))
    if how == 5:
        return mutated(rng, text.encode())
    lines = yaml.safe_dump(tree, sort_keys=False).splitlines()
    at = rng.randrange(len(lines))
    key = lines[at].partition(":")[0]
    if how == 6:
        lines[at] = f"{key}: {rng.choice(TAGS)}"
        return "\n".join(lines).encode()
    bomb = f"{key.strip(' -')}: *z{rng.choice((3, 11))}\n"
    return (ALIASES + bomb + "\n".join(line for line in lines if not line.startswith(key))).encode()


def write_calibration(rng: Random, folder: Path) -> Path:
    return _written(folder / "lab.yaml", hostile(rng, calibration()))


def write_setup(rng: Random, folder: Path) -> Path:
    setup = Setup("CAM1", Board(), "ur5e", Intrinsics(np.eye(3), np.zeros(5), 640, 480))
    return _written(folder / "camera.yaml", hostile(rng, yaml.safe_dump(to_plain(setup)))).parent


def write_robot(rng: Random, folder: Path) -> Path:
    return _written(folder / "robot.yaml", hostile(rng, _any(rng, "robots").replace("simulated.urdf", "robot.yaml")))


def write_camera(rng: Random, folder: Path) -> Path:
    return _written(folder / "camera.yaml", hostile(rng, _any(rng, "cameras")))


def write_viewpoints(rng: Random, folder: Path) -> Path:
    taught = "kind: taught\njoint_names: [a, b]\nwaypoints: [[0.1, 0.2], [0.3, 0.4]]\n"
    text = taught if rng.random() < 0.25 else _any(rng, "viewpoints")
    return _written(folder / "views.yaml", hostile(rng, text))


def write_experiment(rng: Random, folder: Path) -> tuple[Path, list[str]]:
    path = folder / "experiment.yaml"
    text = _any(rng, "experiments")
    if rng.random() < 0.6:
        return _written(path, hostile(rng, text)), ["data.path=x"]
    keys = (
        "steps", "model", "model.name", "model.num_slots", "model.image_size", "model.", "data", "data.views", "seed",
        "", "optimiser.lr", "lds_warmup", "lds_warmup[1]", "x", ".", "a.b.c", "steps[0]", "precision",
    )  # fmt: skip
    values = (
        str(odd_value(rng)),
        rng.choice(TAGS),
        "{",
        "[1,",
        "null",
        "'",
        "a=b",
        "=",
        "{a: 1}",
        "1e9",
        "-1",
        "\0",
        "\n",
    )
    overrides = [f"{rng.choice(keys)}{rng.choice(('=', '=', '=', ''))}{rng.choice(values)}" for _ in range(2)]
    return _written(path, text.encode()), ["data.path=x", *overrides]


def _any(rng: Random, kind: str) -> str:
    return rng.choice(sorted((CONFIG / kind).glob("*.yaml"))).read_text()


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read_calibration(path: Path) -> None:
    problems(load_calibration(path), "ur5e", "CAM1", (640, 480), 1.8e9)


def read_viewpoints(path: Path) -> None:
    pattern = load_viewpoints(path)
    if isinstance(pattern, OrbitPattern):
        assert np.isfinite(camera_poses(pattern, 5, np.random.default_rng(0))).all()


def read_camera(path: Path) -> None:
    load_camera(str(path))


def read_experiment(written: tuple[Path, list[str]]) -> None:
    build_model(load_experiment(str(written[0]), written[1]).model)


@pytest.mark.parametrize(
    ("write", "read", "error", "number"),
    [
        (write_calibration, load_calibration, CaptureError, 500),
        (write_setup, read_setup, CaptureError, 200),
        (write_robot, load_robot_profile, CaptureError, 300),
        (write_camera, read_camera, CaptureError, 250),
        (write_viewpoints, read_viewpoints, CaptureError, 250),
        (write_experiment, read_experiment, ConfigError, 400),
    ],
    ids=["calibration", "views of a calibration", "robot", "camera", "viewpoints", "experiment"],
)
def test_every_settings_file_is_read_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path,
    write: Callable, read: Callable, error: type[Exception], number: int,
) -> None:  # fmt: skip
    named = error is not ConfigError  # overrides are of no file
    expect_none_at_fault(nursery, Kind(write, read, (error,), named), share(number), tmp_path)
