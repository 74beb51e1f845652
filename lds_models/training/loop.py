"""A training run from its settings to its weights: Lightning Fabric for devices and precision, exact resume, curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from datasets.atomic import whole_file
from datasets.packing import PackedDataset, pack
from datasets.scene import DatasetError
from datasets.yaml_file import read_yaml
from lds_models.model import SceneModel
from lds_models.precision import training_precision
from lds_models.registry import ConfigError, build_model
from lds_models.training.curves import Curves, NoCurves
from lds_models.training.domain import domain_images, measured_domain
from lds_models.training.errors import TrainingError
from lds_models.training.experiment import DataConfig, Experiment
from lds_models.training.pace import Pace
from lds_models.training.replicas import Replicas
from lds_models.training.stop_request import StopRequest
from lds_models.training.trainer import Trainer
from lds_models.training.validation import held_out_split, validate, validation_data
from lds_models.weights import save_weights

Progress = Callable[[int, dict[str, float]], None]


def train(
    experiment: Experiment, run: Path, resume: bool = False, command: str = "", progress: Progress = lambda *_: None
) -> Path:
    """Train as the experiment says, in the folder `run`. Under torchrun, its processes share the work.

    The folder receives config.yaml, metrics.csv, tensorboard/, checkpoint.safetensors and, at the end,
    weights.safetensors. With `resume` a run that was stopped, in whatever way, goes on from its last checkpoint as if
    it had not been. SIGINT and SIGTERM end it after the current step, with a checkpoint.

    Args:
        command: what the user typed, for the model card.
        progress: called as progress(steps done, the newest row of metrics).

    Returns:
        the weights file.

    Raises:
        TrainingError: the folder holds a run and `resume` is not given; the loss or a gradient is not finite; the
            processes do not agree.
        ConfigError, DatasetError, WeightsError: a setting, the data or the weights to start from do not do.
        KeyboardInterrupt: the run was asked to stop.
    """
    replicas = Replicas(training_precision(experiment.precision))
    replicas.check_batch_size(experiment.batch_size, experiment.accumulate)
    replicas.on_first(lambda: _open_folder(experiment, run, resume))
    torch.manual_seed(experiment.seed)
    model = build_model(experiment.model)
    data = experiment.data
    packed = replicas.in_turn(lambda: pack(data.path, data.split, model.image_size, with_masks=replicas.is_first))
    held_out, own_kind = replicas.on_first(lambda: _measured_on(data, model, packed)) or (None, None)
    packed = replace(packed, masks=None)  # training needs none
    trainer = Trainer(experiment, run, model, packed, replicas)
    _steps(trainer, experiment, Curves(run, trainer.step) if replicas.is_first else NoCurves(), held_out, progress)
    weights = run / "weights.safetensors"
    if own_kind is not None:  # in the first process
        card = _card(experiment, run, packed, trainer, command) | {"domain": measured_domain(model, own_kind)}
        save_weights(weights, model, card)
    return weights


def _measured_on(
    data: DataConfig, model: SceneModel, trained_on: PackedDataset
) -> tuple[PackedDataset | None, PackedDataset]:
    """The images to validate on, and those that the card's domain is of: held out, or where none are trained on."""
    held_out = held_out_split(data, model)
    own_kind = domain_images(model, trained_on if held_out is None else held_out)
    return validation_data(data, model, held_out, trained_on), own_kind


def _steps(
    trainer: Trainer,
    experiment: Experiment,
    curves: Curves | NoCurves,
    held_out: PackedDataset | None,
    progress: Progress,
) -> None:
    """All steps that are left, and what is due after each."""
    pace, row = Pace(), {}
    with curves, StopRequest() as request:
        while trainer.step < experiment.steps:
            step = trainer.do_step(request.made)
            pace.add(step.images, step.seconds)

            def due(interval: int) -> bool:
                return trainer.step % interval == 0 or trainer.step == experiment.steps

            if due(experiment.log_every):
                row = step.row | {"seconds": trainer.seconds} | pace.row()
                curves.add(trainer.step, row)
            if due(experiment.validate_every) and held_out is not None:
                curves.add(trainer.step, validate(trainer.model, held_out))
            if due(experiment.checkpoint_every) or step.stop:
                curves.flush()
                trainer.save()
            progress(trainer.step, row)
            if step.stop:
                raise KeyboardInterrupt


def _open_folder(experiment: Experiment, run: Path, resume: bool) -> None:
    """Make the run's folder and keep the settings in it."""
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


def _card(experiment: Experiment, run: Path, packed: PackedDataset, trainer: Trainer, command: str) -> dict[str, Any]:
    """What the weights file says of where it comes from."""
    training = {
        "data": packed.source,
        "split": packed.split,
        "images": len(packed.images),
        "data_digest": packed.digest,
        "steps": trainer.step,
        "hours": round(trainer.seconds / 3600, 3),
        "command": command,
        "experiment": asdict(experiment),
    }
    return {"name": run.name, "training": training, "licence": "BSD-3-Clause"}
