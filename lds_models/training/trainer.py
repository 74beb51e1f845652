"""One gradient step after another: a run's model, optimiser, batches and how far it is."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from datasets.packing import PackedDataset
from lds_models.model import SceneModel
from lds_models.training.batches import make_batches
from lds_models.training.checkpoint import load_checkpoint, save_checkpoint
from lds_models.training.errors import TrainingError
from lds_models.training.experiment import Experiment, OptimiserConfig, lds_ramp, learning_rate
from lds_models.training.out_of_memory import memory_told
from lds_models.training.replicas import Replicas
from lds_models.weights import copy_weights


@dataclass(frozen=True)
class Step:
    """What a training step came to.

    Attributes:
        row: loss terms of the whole batch in nats, gradient norm before clipping, learning rate.
        images: in the whole batch.
        seconds: that it took.
        stop: whether a process was asked to stop.
    """

    row: dict[str, float]
    images: int
    seconds: float
    stop: bool


class Trainer:
    """Trains a model in the folder `run`, from the checkpoint there on, or from the weights that the experiment names.

    Attributes:
        step: how many are done.
    """

    def __init__(
        self, experiment: Experiment, run: Path, model: SceneModel, packed: PackedDataset, replicas: Replicas
    ) -> None:
        self.model, self.step = model, 0
        self._experiment, self._run, self._replicas = experiment, run, replicas
        model.to(replicas.device, memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types lack it
        self._optimiser = build_optimiser(model, experiment.optimiser)
        data = experiment.data
        self._batches = make_batches(
            model, packed, data.views, experiment.batch_size, experiment.seed, replicas.shard, data.widening
        )
        self._checkpoint, self._data_digest, seconds = run / "checkpoint.safetensors", packed.digest, 0.0
        if self._checkpoint.exists():
            self.step, seconds = load_checkpoint(self._checkpoint, model, self._optimiser, packed.digest)
        elif experiment.start_from is not None:
            copy_weights(model, experiment.start_from)
        self._started = time.monotonic() - seconds
        replicas.check_equal(model, self.step)

    @property
    def seconds(self) -> float:
        """Time spent on training, that before the checkpoint included."""
        return time.monotonic() - self._started

    def do_step(self, stop: bool) -> Step:
        """One gradient step.

        Args:
            stop: whether this process was asked to stop.

        Raises:
            TrainingError: the loss or a gradient is not finite, in any process, and no parameter has changed; or memory
                ran out.
        """
        with memory_told(self._checkpoint, self.step, self._frugal_settings()):
            return self._step(stop)

    def save(self) -> None:
        """Write the checkpoint. Raises TrainingError where the processes' models differ."""
        self._replicas.check_equal(self.model, self.step)
        done = self.step, self.seconds, self._data_digest
        self._replicas.on_first(lambda: save_checkpoint(self._checkpoint, self.model, self._optimiser, *done))

    def _step(self, stop: bool) -> Step:
        started, config = time.monotonic(), self._experiment.optimiser
        rate = learning_rate(config, self.step, self._experiment.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self.model.lds_scale = lds_ramp(self._experiment.lds_warmup, self.step)
        images, viewpoints = self._inputs()
        self._optimiser.zero_grad()
        row, stop, bad = self._agree(self._add_gradients(images, viewpoints), stop)
        row["grad_norm"] = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm).item()
        if not (math.isfinite(row["total"]) and math.isfinite(row["grad_norm"])):
            raise self._not_finite(row["total"], bad, images, viewpoints)
        self._optimiser.step()
        self.step += 1
        batch_images = self._replicas.count * math.prod(images.shape[:2])
        return Step(row | {"lr": rate}, batch_images, time.monotonic() - started, stop)

    def _inputs(self) -> tuple[Tensor, Tensor | None]:
        """This process' part of the batch: images [B,V,3,H,W] in [0,1], viewpoints [B,V,Dv]."""
        batch, device = self._batches(self.step), self._replicas.device
        viewpoints = None if batch.viewpoints is None else batch.viewpoints.to(device)
        return batch.images.to(device).float() / 255, viewpoints

    def _add_gradients(self, images: Tensor, viewpoints: Tensor | None) -> dict[str, Tensor]:
        """Add the gradients of this process' part of the batch to those of the parameters; its loss terms."""
        (rank, count), parts = self._replicas.shard, self._experiment.accumulate
        device, found = self._replicas.device, []
        of_parts = [None] * parts if viewpoints is None else viewpoints.chunk(parts)
        for part, seen in enumerate(zip(images.chunk(parts), of_parts, strict=True)):
            self.model.shard = rank * parts + part, count * parts
            # All parts draw the noise of the whole batch from one random state, which only the last one moves on.
            devices = [device] if device.type == "cuda" else []
            with torch.random.fork_rng(devices, enabled=part + 1 < parts), self._replicas.autocast():
                terms = self.model.loss(*seen)
            (terms.total / parts).backward()
            found.append(terms.detached())
        return {name: torch.stack([terms[name] for terms in found]).mean(0) for name in found[0]}

    def _frugal_settings(self) -> list[str]:
        """Settings that would take less memory, and that the run may go on with."""
        twice = 2 * self._experiment.accumulate
        divides = not self.model.mixes_images and self._experiment.batch_size % (twice * self._replicas.count) == 0
        checkpointing = [] if self.model.config.checkpointing else ["model.checkpointing=true"]
        return checkpointing + ([f"accumulate={twice}"] if divides else [])

    def _agree(self, own: dict[str, Tensor], stop: bool) -> tuple[dict[str, float], bool, list[int]]:
        """Average gradients and `own` loss terms over the processes.

        Returns:
            the terms of the whole batch, whether a process is to stop, and which ones met NaN or infinite numbers.
        """
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        scalars = torch.stack([*own.values(), torch.tensor(float(stop), device=self._replicas.device)])
        means, bad = self._replicas.average(gradients, scalars)
        *values, stops = means.tolist()
        return dict(zip(own, values, strict=True)), stops > 0, bad.nonzero().flatten().tolist()

    def _not_finite(self, loss: float, bad: list[int], images: Tensor, viewpoints: Tensor | None) -> TrainingError:
        """The error that says so. What the processes that met it were given is kept beside the checkpoint."""
        at_fault = bad or range(self._replicas.count)
        files = {rank: f"not_finite_step_{self.step}_process_{rank}.safetensors" for rank in at_fault}
        if self._replicas.rank in files:
            tensors = {"images": images} if viewpoints is None else {"images": images, "viewpoints": viewpoints}
            plain = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
            save_file(plain, self._run / files[self._replicas.rank])
        self._replicas.wait()
        what = "gradient" if math.isfinite(loss) else "loss"
        again = "the last checkpoint is good: --resume" if self._checkpoint.exists() else "start again"
        return TrainingError(
            f"{self._run}: the {what} of step {self.step} is not finite; its batch is kept in "
            f"{', '.join(files.values())}, and {again} with a lower optimiser.lr or precision=32-true"
        )


def build_optimiser(model: torch.nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """RMSprop (MONet in the LDS paper) or Adam (IODINE, MulMON), at PyTorch's other defaults."""
    optimisers = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}
    return optimisers[config.name](model.parameters(), lr=config.lr)
