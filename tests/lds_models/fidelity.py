"""What the fidelity tests share: small models of every kind, fresh random batches, and what a model makes of one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lds_models.model import SceneModel
from lds_models.mulmon import VIEWPOINT_DIMS
from lds_models.registry import build_model

SMALL: dict[str, dict[str, Any]] = {
    "monet": {"attention_channels": 8, "decoder_channels": 8},
    "genesis": {"mask_latent_dim": 8, "decoder_channels": 8},
    "iodine": {"decoder_channels": 8, "refinement_channels": 8, "hidden": 16, "iterations": 3},
    "mulmon": {"decoder_channels": 8, "hidden": 16, "iterations": 3, "max_observed": 3},
}


@dataclass(frozen=True)
class Case:
    """A small model and a batch for it. `seed` makes its weights, images, viewpoints and noise."""

    model: str
    settings: dict[str, Any]
    batch: int = 2
    views: int = 1
    seed: int = 0

    def build(self, scale: float = 1.0) -> SceneModel:
        """The model in float32, channels last, no bias 0, its other weights `scale` times what training starts from."""
        torch.manual_seed(self.seed)
        model = build_model(
            {"name": self.model, "image_size": 16, "num_slots": 3, **SMALL[self.model], **self.settings}
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter)) if parameter.ndim == 1 else parameter.mul_(scale)
        return model.to(memory_format=torch.channels_last)

    def data(self, model: SceneModel, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor | None]:
        """Images and viewpoints: the same numbers in every number format."""
        generator = torch.Generator().manual_seed(self.seed)
        size = model.image_size
        images = torch.rand(self.batch, self.views, 3, size, size, generator=generator)
        kind = getattr(model, "viewpoint_kind", None)
        if kind is None:
            return images.to(dtype), None
        viewpoints = torch.randn(self.batch, self.views, VIEWPOINT_DIMS[kind], generator=generator)
        return images.to(dtype), viewpoints.to(dtype)


def noise_in_float32(self: SceneModel, tensor: Tensor) -> Tensor:
    """In place of `SceneModel.noise_like`: the same numbers for a float64 model as for a float32 one."""
    return torch.randn(tensor.shape).to(tensor.dtype)


def loss_and_gradients(model: SceneModel, case: Case, dtype: torch.dtype, bf16: bool = False) -> dict[str, Tensor]:
    """All terms of the loss and the gradients of all parameters, by name. The model's state stays as it is."""
    model = deepcopy(model)
    images, viewpoints = case.data(model, dtype)
    torch.manual_seed(case.seed)
    with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
        terms = model.loss(images, viewpoints)
    terms.total.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    missing = [name for name, gradient in gradients.items() if gradient is None]
    assert not missing, f"no gradient reached {missing}"
    return {**terms.detached(), **gradients}


def inferred(model: SceneModel, case: Case, dtype: torch.dtype, bf16: bool = False) -> dict[str, Tensor]:
    """All that `infer` returns, by name; masks as probabilities."""
    images, viewpoints = case.data(model, dtype)
    torch.manual_seed(case.seed)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
        inference = vars(model.infer(images, viewpoints))
    return {name: value.exp() if name == "log_masks" else value for name, value in inference.items()}


def joined(gradients: dict[str, Tensor], names: Iterable[str]) -> Tensor:
    """The gradients of these parameters as one vector."""
    return torch.cat([gradients[name].double().flatten() for name in names])


def difference(got: Tensor, expected: Tensor) -> float:
    """|got - expected| / |expected|."""
    return ((got.double() - expected.double()).norm() / expected.double().norm().clamp(min=1e-12)).item()


def differences(got: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """The relative difference of each tensor, by name."""
    assert got.keys() == expected.keys()
    return {name: difference(got[name], expected[name]) for name in got}
