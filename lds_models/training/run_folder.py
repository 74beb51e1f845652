"""A training run's folder: one training at a time, and the settings that it was started with."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from datasets.atomic import make_folder, whole_file
from datasets.scene import DatasetError
from datasets.yaml_file import read_yaml
from lds_models.registry import ConfigError
from lds_models.training.errors import TrainingError
from lds_models.training.experiment import Experiment


@contextmanager
def opened_folder(experiment: Experiment, run: Path, resume: bool) -> Iterator[None]:
    """Make the run's folder and keep the settings in it; in the body, no other training may open it.

    Raises:
        TrainingError: it holds a run and `resume` is not given, another training is at work there, or it cannot be
            written.
        ConfigError: its run was started with settings that a resumed one must keep, or they cannot be read.
    """
    with _locked(run):
        _keep_settings(experiment, run, resume)
        yield


@contextmanager
def _locked(run: Path) -> Iterator[None]:
    """The system gives the lock back when the process ends, however it ends."""
    try:
        make_folder(run)
        file = (run / ".lock").open("w")
    except OSError as error:
        raise TrainingError(f"{run}: cannot be written ({error.strerror}); give another --out") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(
                f"{run}: another training is at work there; wait for it or stop it, or give another --out"
            ) from error
        except OSError:  # some network file systems have no locks
            pass
        yield


def _keep_settings(experiment: Experiment, run: Path, resume: bool) -> None:
    """Write them to config.yaml, where they go with those of the run that is resumed."""
    path = run / "config.yaml"
    started = (run / "checkpoint.safetensors").exists()
    if started and not resume:
        raise TrainingError(f"{run}: holds a run already; go on with it by --resume, or give another --out")
    settings = asdict(experiment)
    if started and path.exists():
        earlier = _settings_of(path)
        fixed = _changed(earlier, settings)
        if fixed:
            raise ConfigError(f"{path}: the run was started with another {', '.join(fixed)}; resume it with the same")
    try:
        with whole_file(path) as temporary:
            temporary.write_text(OmegaConf.to_yaml(OmegaConf.structured(experiment)), encoding="utf-8")
    except DatasetError as error:
        reason = getattr(error.__cause__, "strerror", error)
        raise TrainingError(f"{path}: cannot be written ({reason}); give another --out") from error


def _changed(earlier: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """The settings that a resumed run must keep and does not.

    It may ask for more steps, another learning rate or pace of logging, or to take less memory.
    """

    def model(of: dict[str, Any]) -> Any:
        told = of.get("model")
        return {key: told[key] for key in told if key != "checkpointing"} if isinstance(told, dict) else told

    changed = [key for key in ("start_from", "batch_size", "seed") if earlier.get(key) != settings[key]]
    if model(earlier) != model(settings):
        changed.insert(0, "model")
    if earlier.get("optimiser", {}).get("name") != settings["optimiser"]["name"]:
        changed.append("optimiser.name")
    return changed


def _settings_of(path: Path) -> dict[str, Any]:
    """What a run's config.yaml says, as it is told to OmegaConf. Raises ConfigError where it is damaged."""
    try:
        settings = read_yaml(path) and OmegaConf.to_container(OmegaConf.load(path))
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); delete it to go on with the settings given now"
        ) from error
    return {str(key): value for key, value in settings.items()} if isinstance(settings, dict) else {}
