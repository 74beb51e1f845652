"""Training steps to be measured: a model with the LDS paper's settings, a batch, and what is done with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from lds_models.model import SceneModel
    from lds_models.training.batches import ImageBatches
    from lds_models.training.experiment import Experiment

    Batch = tuple[Tensor, Tensor | None]  # images, and viewpoints for a multi-view model

Step = Callable[[], object]

IMAGES = 15_000  # packed in memory, as CLE-MV's are


@dataclass(frozen=True)
class Workload:
    """What one step is given: 64x64 pixels.

    Attributes:
        model: its name; `paper_{model}_lds` has its settings.
        batch: images, or scenes for a multi-view model.
        observed: of the views, for a multi-view model; the others are queried.
        device: cpu or cuda.
    """

    model: str
    batch: int
    views: int = 1
    observed: int = 0
    device: str = "cpu"


def fast_step(workload: Workload, from_memory: bool = False) -> Step:
    """A step as `lds train` does it: channels last, bf16 where the hardware has it.

    Args:
        from_memory: batches are drawn from packed images, as training does; otherwise it is always the same.
    """
    from lds_cli.train import ready_memory

    ready_memory()
    import torch

    from lds_models.precision import best_precision

    # torch's types know no memory_format of modules.
    model: SceneModel = _model(workload).to(workload.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    same = _data(workload)
    data = _data_from_memory(workload) if from_memory else lambda: same
    return _step(model, workload, data, best_precision() == "bf16-mixed")


def plain_step(workload: Workload) -> Step:
    """The same step by the plain formulation, in float32 and PyTorch's default memory layout."""
    from lds_models.reference import plain

    model = plain(_model(workload)).to(workload.device)
    images, viewpoints = _data(workload)
    data = images.contiguous(), viewpoints
    return _step(model, workload, lambda: data, False)


def lds_prior_alone(workload: Workload) -> Step:
    """The LDS prior of one step, forward and backward: what it adds."""
    import torch

    from lds_models.lds_prior import lds_prior

    settings = _experiment(workload).model
    latents = torch.randn(workload.batch, settings["num_slots"], settings["latent_dim"], requires_grad=True)
    return lambda: torch.autograd.grad(lds_prior(latents).mean(), latents)


def packed_batches(batch: int) -> ImageBatches:
    """Batches of a dataset of 15,000 packed images."""
    import numpy as np

    from datasets.packing import PackedDataset
    from lds_models.training.batches import ImageBatches

    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 64, 64, 3), np.uint8)
    packed = PackedDataset(images, np.arange(IMAGES + 1), None, {}, [], "bench", "train", "")
    return ImageBatches(packed, batch, seed=0)


def _experiment(workload: Workload) -> Experiment:
    from lds_models.training.experiment import load_experiment

    return load_experiment(f"paper_{workload.model}_lds", ["data.path=none"])


def _model(workload: Workload) -> SceneModel:
    import torch

    from lds_models.registry import build_model

    torch.manual_seed(0)
    settings = _experiment(workload).model
    if workload.observed:
        settings |= {"min_observed": workload.observed, "max_observed": workload.observed}
    return build_model(settings)


def _data(workload: Workload) -> Batch:
    """Images [B,V,3,64,64], channels last, and viewpoints [B,V,3] for a multi-view model."""
    import torch

    images = torch.rand(workload.batch, workload.views, 64, 64, 3, device=workload.device).movedim(-1, 2)
    return images, torch.randn(*images.shape[:2], 3).to(images) if workload.observed else None


def _data_from_memory(workload: Workload) -> Callable[[], Batch]:
    """Batches of single images."""
    batches, steps = packed_batches(workload.batch), itertools.count()
    return lambda: (batches(next(steps)).images.float() / 255, None)


def _step(model: SceneModel, workload: Workload, data: Callable[[], Batch], bf16: bool) -> Step:
    import torch

    from lds_models.training.trainer import build_optimiser

    settings = _experiment(workload).optimiser
    optimiser = build_optimiser(model, settings)

    def step() -> None:
        images, viewpoints = data()
        with torch.autocast(workload.device, torch.bfloat16) if bf16 else nullcontext():
            terms = model.loss(images, viewpoints)
        optimiser.zero_grad()
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()
        if workload.device == "cuda":
            torch.cuda.synchronize()

    return step
