"""What a training run is made of: the settings of `config/experiments/*.yaml`, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from datasets.yaml_file import read_yaml
from lds_models.presets import preset_names, presets_folder
from lds_models.registry import MODELS, ConfigError

PATHS = ("data.path", "data.validation_path", "start_from")  # settings that name files


@dataclass
class DataConfig:
    path: str = MISSING  # a dataset's folder or a packed file
    split: str = "train"
    views: int | None = None  # how many of a scene a multi-view model gets in a step; null: all
    widening: int = 0  # steps over which a multi-view model's viewpoints widen from near ones to all; 0: all at once
    validation_path: str | None = None  # default: the same dataset
    validation_split: str | None = "test"  # null: no validation
    validation_images: int = 64


@dataclass
class OptimiserConfig:
    name: str = "rmsprop"  # rmsprop, adam
    lr: float = 3e-4
    schedule: str = "constant"  # constant, gqn, cosine
    warmup_steps: int = 0
    clip_norm: float = 5.0


@dataclass
class Experiment:
    """One training run. `model` holds the settings of one of `lds_models.registry.MODELS`."""

    model: dict[str, Any] = MISSING
    start_from: str | None = None  # weights that a new run starts with: a name, a file or a run's folder
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    batch_size: int = 40  # images, or scenes for multi-view models; of all processes together
    accumulate: int = 1  # parts in which a process computes its share of a batch, one after another
    steps: int = 600_000
    lds_warmup: list[int] = field(default_factory=lambda: [0, 0])  # lambda grows from 0 between these steps
    seed: int = 0
    precision: str = "auto"  # auto, bf16-mixed, 32-true
    log_every: int = 50
    validate_every: int = 1000
    checkpoint_every: int = 500


def load_experiment(name_or_file: str, overrides: list[str]) -> Experiment:
    """Read a preset or a YAML file, with `key=value` overrides on top.

    Raises:
        ConfigError: there is no such preset, a key is unknown, or a value does not fit; the message says which.
    """
    file = Path(name_or_file)
    if not file.is_file():
        file = presets_folder() / f"{name_or_file}.yaml"
    if not file.is_file():
        raise ConfigError(f"no experiment '{name_or_file}': give a YAML file or one of {', '.join(preset_names())}")
    for override in overrides:
        if "=" not in override:
            raise ConfigError(f"{override!r} is no setting; write key=value, for example steps=1000")
    try:
        if not isinstance(read_yaml(file), dict):
            raise ConfigError(f"{file}: holds no 'key: value' lines")
        settings = OmegaConf.merge(OmegaConf.structured(Experiment), OmegaConf.load(file), _from_dotlist(overrides))
        missing = OmegaConf.missing_keys(settings)
        if missing:
            raise ConfigError(f"{file}: {', '.join(sorted(missing))[:200]} must be set, for example data.path=FOLDER")
        experiment = OmegaConf.to_object(settings)
    except ConfigError:
        raise
    except OmegaConfBaseException as error:
        raise ConfigError(f"{file}: {str(error).splitlines()[0][:400]}") from error
    except (OSError, TypeError, ValueError, YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read as an experiment's YAML: {str(error).splitlines()[0]}") from error
    assert isinstance(experiment, Experiment)
    _check(experiment, file)
    return experiment


def _from_dotlist(overrides: list[str]) -> DictConfig:
    """The settings that `key=value` words say."""
    for override in overrides:
        try:
            OmegaConf.from_dotlist([override])
        # OmegaConf lets through what its parts raise at words that make no sense.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"{override[:100]!r} is no setting ({reason}); write key=value, like steps=1000"
            ) from error
    settings = OmegaConf.from_dotlist(overrides)
    for key, _, value in (override.partition("=") for override in overrides):
        if key in PATHS and value != "null":  # as it is: YAML makes a number of 2024_11_30
            OmegaConf.update(settings, key, value, merge=False)
    return settings


def _check(experiment: Experiment, file: Path) -> None:
    choices = {
        "optimiser.name": (experiment.optimiser.name, ("rmsprop", "adam")),
        "optimiser.schedule": (experiment.optimiser.schedule, ("constant", "gqn", "cosine")),
        "precision": (experiment.precision, ("auto", "bf16-mixed", "32-true")),
    }
    for key, (value, allowed) in choices.items():
        if value not in allowed:
            raise ConfigError(f"{file}: {key} is '{value}'; choose from {', '.join(allowed)}")
    for key in ("batch_size", "accumulate", "steps", "log_every", "validate_every", "checkpoint_every"):
        if getattr(experiment, key) < 1:
            raise ConfigError(f"{file}: {key} must be 1 or more, got {getattr(experiment, key)}")
    name = str(experiment.model.get("name"))
    if experiment.accumulate > 1 and name in MODELS and MODELS[name][1].mixes_images:
        raise ConfigError(
            f"{file}: accumulate is {experiment.accumulate}, and {name} normalises over the whole batch: leave it out"
        )
    if experiment.data.views is not None and experiment.data.views < 1:
        raise ConfigError(f"{file}: data.views must be 1 or more, or null for all, got {experiment.data.views}")
    if experiment.data.widening < 0:
        raise ConfigError(f"{file}: data.widening must be 0 or more, got {experiment.data.widening}")
    warmup = experiment.lds_warmup
    if len(warmup) != 2 or not all(isinstance(step, int) for step in warmup) or warmup[0] > warmup[1]:
        raise ConfigError(f"{file}: lds_warmup must be [first step, last step], got {str(warmup)[:100]}")


def learning_rate(config: OptimiserConfig, step: int, steps: int) -> float:
    """The learning rate at `step` of `steps`. `gqn` is the LDS paper's schedule (its appendix A, tables 2 and 3)."""
    if config.schedule == "gqn":
        rate = max(0.1 * config.lr + 0.9 * config.lr * (1 - step / 1e6), 0.1 * config.lr)
    elif config.schedule == "cosine":
        rate = config.lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1))))
    else:
        rate = config.lr
    return rate * min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else rate


def lds_ramp(warmup: list[int], step: int) -> float:
    """The share of lambda that is in force at `step`: 0 before warmup[0], 1 from warmup[1] on."""
    first, last = warmup
    return 1.0 if step >= last else max(0.0, (step - first) / (last - first))
