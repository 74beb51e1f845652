"""A training run from its settings to its weights: Lightning Fabric for devices and precision, exact resume, curves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from datasets.packing import PackedDataset, pack
from lds_models.model import SceneModel
from lds_models.precision import training_precision
from lds_models.registry import build_model
from lds_models.training.curves import Curves, NoCurves
from lds_models.training.domain import domain_images, measured_domain
from lds_models.training.experiment import DataConfig, Experiment
from lds_models.training.pace import Pace
from lds_models.training.replicas import Replicas
from lds_models.training.run_folder import opened_folder
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
        TrainingError: the folder holds a run and `resume` is not given, or another training is at work there; the
            loss or a gradient is not finite; the processes do not agree.
        ConfigError, DatasetError, WeightsError: a setting, the data or the weights to start from do not do.
        KeyboardInterrupt: the run was asked to stop.
    """
    replicas = Replicas(training_precision(experiment.precision))
    replicas.check_batch_size(experiment.batch_size, experiment.accumulate)
    with ExitStack() as held:
        replicas.on_first(lambda: held.enter_context(opened_folder(experiment, run, resume)))
        return _train(experiment, run, replicas, command, progress)


def _train(experiment: Experiment, run: Path, replicas: Replicas, command: str, progress: Progress) -> Path:
    """What `train` does, in a folder that is ready."""
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
