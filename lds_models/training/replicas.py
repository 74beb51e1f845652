"""Data-parallel training: N processes hold the same model, each sees its part of every batch, all take the same step.

Gradients are averaged here rather than by PyTorch's DistributedDataParallel: a step through Fabric's wrapper around the
model took 1.5 times as long, and whatever else the processes must agree on travels in the same message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
import torch.distributed
from torch import Tensor, nn

from lds_models.precision import Precision
from lds_models.registry import ConfigError
from lds_models.training.errors import TrainingError
from lds_models.weights import state_digest

T = TypeVar("T")


class Replicas:
    """The processes that train together: those that torchrun started, over any number of machines, or this one alone.

    Attributes:
        rank: this process' number, from 0 on.
        count: how many there are.
        device: where this one computes.

    Raises:
        TrainingError: there are fewer GPUs than processes on this machine, or Slurm started several without torchrun.
    """

    def __init__(self, precision: Precision) -> None:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

        together = torch.distributed.is_torchelastic_launched()
        processes, here = (int(os.environ[name]) if together else 1 for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        _check_machine(here, together)
        self._fabric = Fabric(
            accelerator="auto",
            strategy="ddp" if processes > 1 else "auto",
            devices=here,
            num_nodes=processes // here,
            precision=precision,
            # Named, so that Fabric does not take the allocation that a single process runs in for its own.
            plugins=[TorchElasticEnvironment() if together else LightningEnvironment()],
        )
        self._fabric.launch()
        self.rank, self.count, self.device = self._fabric.global_rank, processes, self._fabric.device

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes the run's folder."""
        return self.rank == 0

    @property
    def shard(self) -> tuple[int, int]:
        return self.rank, self.count

    def check_batch_size(self, batch_size: int, accumulate: int) -> None:
        """Raises ConfigError where a batch cannot be cut into `accumulate` equal parts for each process."""
        parts = self.count * accumulate
        if batch_size % parts:
            raise ConfigError(
                f"batch_size is {batch_size}, which is that of all processes together, and cannot be cut into "
                f"{parts} equal parts; set it to a multiple of {parts}"
            )

    def autocast(self) -> AbstractContextManager:
        """In it, operations run in the number format that was asked for."""
        return self._fabric.autocast()

    def on_first(self, action: Callable[[], T]) -> T | None:
        """Let the first process do something, and wait for it; None in the others. Where it fails, all do."""
        return next(iter(self._where(self.is_first, action)), None)

    def in_turn(self, action: Callable[[], T]) -> T:
        """Let one process of each machine do something, then the others, which find its work done."""
        done = self._where(self._fabric.local_rank == 0, action)
        return done[0] if done else action()

    def _where(self, here: bool, action: Callable[[], T]) -> list[T]:
        """Do something here, or wait until others have; its result, where it was done here."""
        failure: Exception | None = None
        results: list[T] = []
        try:
            if here:
                results.append(action())
        except Exception as error:
            failure = error
        failures = torch.tensor(float(failure is not None), device=self.device)
        if self.count > 1:
            torch.distributed.all_reduce(failures)
        if failures > 0:
            raise failure or TrainingError("another process failed; see its message")
        return results

    def wait(self) -> None:
        """Wait for all processes to come here."""
        self._fabric.barrier()

    def average(self, gradients: Sequence[Tensor], scalars: Tensor) -> tuple[Tensor, Tensor]:
        """Replace gradients by their means over the processes, in place, in one message.

        Args:
            scalars: [S], what else to average.

        Returns:
            the means of `scalars` [S], and [count], how many of each process' own numbers were NaN or infinite.
        """
        if self.count == 1:
            return scalars, (~scalars.isfinite()).sum(0, keepdim=True)
        own = torch.cat([*(gradient.reshape(-1) for gradient in gradients), scalars])
        bad = torch.zeros(self.count, device=own.device)
        bad[self.rank] = (~own.isfinite()).sum()
        message = torch.cat([own, bad])
        torch.distributed.all_reduce(message)
        *sums, scalars, bad = message.split([*(gradient.numel() for gradient in gradients), len(scalars), self.count])
        for gradient, total in zip(gradients, sums, strict=True):
            gradient.copy_(total.view_as(gradient) / self.count)
        return scalars / self.count, bad

    def check_equal(self, model: nn.Module, step: int) -> None:
        """Raises TrainingError where the processes are not at the same step with the same parameters and buffers."""
        if self.count == 1:
            return
        digest = state_digest({name: value.detach().cpu() for name, value in model.state_dict().items()})
        own = torch.tensor([step, int(digest[:15], 16)], device=self.device)
        all_of_them = [torch.empty_like(own) for _ in range(self.count)]
        torch.distributed.all_gather(all_of_them, own)
        steps, digests = torch.stack(all_of_them).T.tolist()
        if len(set(steps)) > 1:
            raise TrainingError(
                f"the processes start from different steps ({steps}): all machines must see the same run folder"
            )
        if len(set(digests)) > 1:
            odd = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
            raise TrainingError(
                f"after step {step} the model of process {', '.join(map(str, odd))} differs from that of process 0; "
                f"the last checkpoint is good. All machines need the same processor, PyTorch and lds_scenes"
            )


def _check_machine(processes: int, together: bool) -> None:
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1 and not together:
        raise TrainingError(
            f"Slurm started {tasks} tasks that do not know of each other; let srun start one torchrun on each machine, "
            f"as docs/training.md shows"
        )
    if torch.cuda.is_available() and torch.cuda.device_count() < processes:
        raise TrainingError(
            f"{processes} processes need as many GPUs, and this machine has {torch.cuda.device_count()}; give torchrun "
            f"--nproc-per-node {torch.cuda.device_count()}"
        )
