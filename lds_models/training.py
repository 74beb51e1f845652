"""The training loop: Lightning Fabric for devices and precision, exact resume, CSV and TensorBoard curves."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from datasets.packing import PackedDataset, pack
from lds_models.batches import ImageBatches
from lds_models.checkpoint import load_checkpoint, save_checkpoint
from lds_models.experiment import Experiment, OptimiserConfig, lds_ramp, learning_rate
from lds_models.model import SceneModel
from lds_models.precision import best_precision
from lds_models.registry import ConfigError, build_model
from lds_models.weights import save_weights


class TrainingError(RuntimeError):
    """Training cannot start or go on. The message says why and what to do."""

    exit_code = 1


Progress = Callable[[int, dict[str, float]], None]


def train(experiment: Experiment, run: Path, resume: bool = False, command: str = "", progress: Progress = lambda *_: None) -> Path:
    """Train as the experiment says, in the folder `run`.

    The folder receives config.yaml, metrics.csv, tensorboard/, checkpoint.safetensors and, at the end,
    weights.safetensors. With `resume` a run that was stopped, in whatever way, goes on from its last checkpoint as if
    it had not been.

    Args:
        command: what the user typed, for the model card.
        progress: called as progress(steps done, the newest row of metrics).

    Returns:
        the weights file.

    Raises:
        TrainingError: the folder holds a run and `resume` is not given, or the loss or a gradient is not finite.
    """
    checkpoint = run / "checkpoint.safetensors"
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{run}: holds a run already; go on with it by --resume, or give another --out")
    _keep_config(experiment, run, resume and checkpoint.exists())

    fabric = _fabric(experiment)
    torch.manual_seed(experiment.seed)
    model = build_model(experiment.model)
    packed = pack(experiment.data.path, experiment.data.split, model.image_size, with_masks=False)
    validation = _validation(experiment, model.image_size)
    _check_slots(model, validation)
    batches = ImageBatches(packed, experiment.batch_size, experiment.seed)
    optimiser = build_optimiser(model, experiment.optimiser)
    step, seconds = load_checkpoint(checkpoint, model, optimiser) if checkpoint.exists() else (0, 0.0)
    model.to(memory_format=torch.channels_last)
    # The wrapped model stays aside: calls through Fabric's wrapper took 1.5 times as long as under its autocast.
    _, optimiser = fabric.setup(model, optimiser)

    log = CurveLog(run, step)
    started = time.monotonic() - seconds
    row: dict[str, float] = {}

    def save() -> None:
        log.flush()
        save_checkpoint(checkpoint, model, optimiser.optimizer, step, time.monotonic() - started)

    try:
        while step < experiment.steps:
            rate = learning_rate(experiment.optimiser, step, experiment.steps)
            for group in optimiser.param_groups:
                group["lr"] = rate
            model.lds_scale = lds_ramp(experiment.lds_warmup, step)
            images = fabric.to_device(batches(step)).float() / 255
            with fabric.autocast():
                terms = model.loss(images)
            optimiser.zero_grad()
            fabric.backward(terms.total)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), experiment.optimiser.clip_norm)
            _stop_if_not_finite(terms.total, norm, images, step, run)
            optimiser.step()
            step += 1
            if step % experiment.log_every == 0 or step == experiment.steps:
                row = {name: value.item() for name, value in terms.detached().items()}
                row |= {"grad_norm": norm.item(), "lr": rate, "seconds": time.monotonic() - started}
                log.add(step, row)
            if validation is not None and (step % experiment.validate_every == 0 or step == experiment.steps):
                log.add(step, validate(model, validation, experiment))
            if step % experiment.checkpoint_every == 0 or step == experiment.steps:
                save()
            progress(step, row)
    except KeyboardInterrupt:
        save()
        raise
    finally:
        log.close()
    weights = run / "weights.safetensors"
    save_weights(weights, model, _card(experiment, run, packed, step, time.monotonic() - started, command))
    return weights


def build_optimiser(model: torch.nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """RMSprop (MONet in the LDS paper) or Adam (IODINE, MulMON), at PyTorch's other defaults."""
    optimisers = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}
    return optimisers[config.name](model.parameters(), lr=config.lr)


@torch.inference_mode()
def validate(model: SceneModel, packed: PackedDataset, experiment: Experiment) -> dict[str, float]:
    """mIoU and MSE on a few held-out images, one view a scene as far as they go. Leaves the random state as it was."""
    from lds_models.metrics.reconstruction import mean_squared_error
    from lds_models.metrics.segmentation import contingency, miou

    views = packed.first_view[:-1][: experiment.data.validation_images]
    device = next(model.parameters()).device
    with torch.random.fork_rng():  # validation draws samples too, and training must not notice
        images = torch.from_numpy(packed.images[views]).to(device).permute(0, 3, 1, 2).unsqueeze(1).float() / 255
        inference = model.infer(images)
    errors = mean_squared_error(images[:, 0].cpu().numpy(), inference.reconstruction[:, 0].float().cpu().numpy())
    row = {"val_mse": float(errors.mean())}
    if packed.masks is not None:
        slots = inference.log_masks[:, 0, :, 0].argmax(1).cpu().numpy()
        truth = packed.masks[views]
        row["val_miou"] = float(miou(contingency(truth, slots, int(truth.max()) + 1, model.num_slots)).mean())
    return row


class CurveLog:
    """Curves as metrics.csv (step, name, value) and TensorBoard. Rows after `step` of an earlier run are dropped."""

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = run / "metrics.csv"
        kept = _rows_until(path, step)
        self._file = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115 (closed by close())
        self._csv = csv.writer(self._file)
        self._csv.writerows([["step", "name", "value"], *kept])
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def add(self, step: int, row: dict[str, float]) -> None:
        for name, value in row.items():
            self._csv.writerow([step, name, repr(value)])
            self._board.add_scalar(name, value, step)
        self._file.flush()

    def flush(self) -> None:
        self._file.flush()
        self._board.flush()

    def close(self) -> None:
        self._file.close()
        self._board.close()


def _rows_until(path: Path, step: int) -> list[list[str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        # A killed run can leave a torn last line.
        rows = [row for row in csv.reader(file) if len(row) == 3 and row[0].isdigit()]
    return [row for row in rows if int(row[0]) <= step]


def _keep_config(experiment: Experiment, run: Path, resumed: bool) -> None:
    path = run / "config.yaml"
    if resumed and path.exists() and (earlier := OmegaConf.to_container(OmegaConf.load(path))) != asdict(experiment):
        changed = sorted(key for key, value in asdict(experiment).items() if earlier.get(key) != value)
        # More steps, or another pace of logging, are what a resumed run may ask for; another model is not.
        fixed = [key for key in changed if key in ("model", "optimiser", "batch_size", "seed")]
        if fixed:
            raise ConfigError(f"{path}: the run was started with another {', '.join(fixed)}; resume it with the same")
    run.mkdir(parents=True, exist_ok=True)
    path.write_text(OmegaConf.to_yaml(OmegaConf.structured(experiment)), encoding="utf-8")


def _fabric(experiment: Experiment) -> Any:
    from lightning_fabric import Fabric

    precision = best_precision() if experiment.precision == "auto" else experiment.precision
    fabric = Fabric(accelerator="auto", devices=1, precision=precision)
    fabric.launch()
    return fabric


def _validation(experiment: Experiment, image_size: int) -> PackedDataset | None:
    data = experiment.data
    if data.validation_split is None:
        return None
    return pack(data.validation_path or data.path, data.validation_split, image_size)


def _check_slots(model: SceneModel, validation: PackedDataset | None) -> None:
    objects = validation.most_objects if validation else None
    if objects is not None and model.num_slots < objects + 1:
        import warnings

        warnings.warn(
            f"K = {model.num_slots} slots are fewer than the background and {objects} objects of some images: "
            f"objects will be merged; set model.num_slots={objects + 1} or more",
            stacklevel=2,
        )


def _stop_if_not_finite(loss: Tensor, norm: Tensor, images: Tensor, step: int, run: Path) -> None:
    if math.isfinite(loss.item()) and math.isfinite(norm.item()):
        return
    from safetensors.torch import save_file

    batch = run / f"not_finite_step_{step}.safetensors"
    save_file({"images": images.cpu().contiguous()}, batch)
    what = "loss" if not math.isfinite(loss.item()) else "gradient"
    raise TrainingError(
        f"{run}: the {what} of step {step} is not finite; its batch is kept in {batch.name} and the last checkpoint is "
        f"good: --resume with a lower optimiser.lr or precision=32-true"
    )


def _card(
    experiment: Experiment, run: Path, packed: PackedDataset, steps: int, seconds: float, command: str
) -> dict[str, Any]:
    return {
        "name": run.name,
        "training": {
            "data": packed.source,
            "split": packed.split,
            "images": len(packed.images),
            "data_digest": packed.digest,
            "steps": steps,
            "hours": round(seconds / 3600, 3),
            "command": command,
            "experiment": asdict(experiment),
        },
        "licence": "BSD-3-Clause",
    }
