"""The training loop: Lightning Fabric for devices and precision, exact resume, CSV and TensorBoard curves."""

from __future__ import annotations

import csv
import math
import signal
import threading
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


def train(
    experiment: Experiment, run: Path, resume: bool = False, command: str = "", progress: Progress = lambda *_: None
) -> Path:
    """Train as the experiment says, in the folder `run`.

    The folder receives config.yaml, metrics.csv, tensorboard/, checkpoint.safetensors and, at the end,
    weights.safetensors. With `resume` a run that was stopped, in whatever way, goes on from its last checkpoint as if
    it had not been. SIGINT and SIGTERM end it after the current step, with a checkpoint.

    Args:
        command: what the user typed, for the model card.
        progress: called as progress(steps done, the newest row of metrics).

    Returns:
        the weights file.

    Raises:
        TrainingError: the folder holds a run and `resume` is not given, or the loss or a gradient is not finite.
        KeyboardInterrupt: the run was asked to stop.
    """
    started = (run / "checkpoint.safetensors").exists()
    if started and not resume:
        raise TrainingError(f"{run}: holds a run already; go on with it by --resume, or give another --out")
    _keep_config(experiment, run, started)
    training = _Training(experiment, run)
    last = experiment.steps

    def due(interval: int) -> bool:
        return training.step % interval == 0 or training.step == last

    with training.log, _StopRequest() as stop:
        while training.step < last:
            training.do_step()
            if due(experiment.log_every):
                training.log_step()
            if due(experiment.validate_every):
                training.log_validation()
            if due(experiment.checkpoint_every) or stop.requested:
                training.save()
            progress(training.step, training.row)
            if stop.requested:
                raise KeyboardInterrupt
    weights = run / "weights.safetensors"
    save_weights(weights, training.model, training.card(command))
    return weights


class _Training:
    """A run's state: model, optimiser, data, curves and how far it is. Starts from the run's checkpoint, if any."""

    def __init__(self, experiment: Experiment, run: Path) -> None:
        self.experiment, self.run, self.checkpoint = experiment, run, run / "checkpoint.safetensors"
        self.fabric = _fabric(experiment)
        torch.manual_seed(experiment.seed)
        self.model = build_model(experiment.model)
        self.packed = pack(experiment.data.path, experiment.data.split, self.model.image_size, with_masks=False)
        self.validation = _validation(experiment, self.model.image_size)
        _check_slots(self.model, self.validation)
        self.batches = ImageBatches(self.packed, experiment.batch_size, experiment.seed)
        optimiser = build_optimiser(self.model, experiment.optimiser)
        self.step, seconds = 0, 0.0
        if self.checkpoint.exists():
            self.step, seconds = load_checkpoint(self.checkpoint, self.model, optimiser)
        self.model.to(memory_format=torch.channels_last)
        # The wrapped model stays aside: calls through Fabric's wrapper took 1.5 times as long as under its autocast.
        _, self.optimiser = self.fabric.setup(self.model, optimiser)
        self.log = CurveLog(run, self.step)
        self.row: dict[str, float] = {}
        self._started = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        """Time spent on training, that before the checkpoint included."""
        return time.monotonic() - self._started

    def do_step(self) -> None:
        """One gradient step. Raises TrainingError where loss or gradient is not finite, before any weight changes."""
        config = self.experiment.optimiser
        self._rate = learning_rate(config, self.step, self.experiment.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate
        self.model.lds_scale = lds_ramp(self.experiment.lds_warmup, self.step)
        images = self.fabric.to_device(self.batches(self.step)).float() / 255
        with self.fabric.autocast():
            self._terms = self.model.loss(images)
        self.optimiser.zero_grad()
        self.fabric.backward(self._terms.total)
        self._norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        _stop_if_not_finite(self._terms.total, self._norm, images, self.step, self.run)
        self.optimiser.step()
        self.step += 1

    def log_step(self) -> None:
        self.row = {name: value.item() for name, value in self._terms.detached().items()}
        self.row |= {"grad_norm": self._norm.item(), "lr": self._rate, "seconds": self.seconds}
        self.log.add(self.step, self.row)

    def log_validation(self) -> None:
        if self.validation is not None:
            self.log.add(self.step, validate(self.model, self.validation, self.experiment))

    def save(self) -> None:
        self.log.flush()
        save_checkpoint(self.checkpoint, self.model, self.optimiser.optimizer, self.step, self.seconds)

    def card(self, command: str) -> dict[str, Any]:
        """What the weights file says of where it comes from."""
        packed = self.packed
        training = {
            "data": packed.source,
            "split": packed.split,
            "images": len(packed.images),
            "data_digest": packed.digest,
            "steps": self.step,
            "hours": round(self.seconds / 3600, 3),
            "command": command,
            "experiment": asdict(self.experiment),
        }
        return {"name": self.run.name, "training": training, "licence": "BSD-3-Clause"}


class _StopRequest:
    """While it is entered, SIGINT and SIGTERM set `requested` instead of breaking a step off half-way."""

    requested = False

    def __enter__(self) -> _StopRequest:
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # signals can be caught there alone
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def _request(self, *_: object) -> None:
        self.requested = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


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
        self._file = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115 (closed by __exit__)
        self._csv = csv.writer(self._file)
        self._csv.writerows([["step", "name", "value"], *kept])
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    def add(self, step: int, row: dict[str, float]) -> None:
        for name, value in row.items():
            self._csv.writerow([step, name, repr(value)])
            self._board.add_scalar(name, value, step)
        self._file.flush()

    def __enter__(self) -> CurveLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._board.close()

    def flush(self) -> None:
        self._file.flush()
        self._board.flush()


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
