"""Models as networks of fixed shapes: what OpenVINO compiles, what is exported, and what runs on a GPU."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lds_models.iodine import IODINE
from lds_models.mixture import log_responsibilities
from lds_models.model import MultiViewModel, SceneModel
from lds_models.mulmon import VIEWPOINT_DIMS, MulMON
from lds_models.unrolled import UnrolledIODINE, UnrolledMulMON

if TYPE_CHECKING:
    import openvino


@dataclass(frozen=True)
class Graph:
    """A network of fixed shapes, to be converted for OpenVINO.

    Attributes:
        inputs: their names and shapes, in their order.
        outputs: their names, in their order.
    """

    network: nn.Module
    inputs: dict[str, list[int]]
    outputs: list[str]

    def convert(self) -> openvino.Model:
        """The model, its inputs and outputs named."""
        import openvino

        example = tuple(torch.zeros(shape) for shape in self.inputs.values())
        converted = openvino.convert_model(_traced(self.network, example), input=list(self.inputs.values()))
        for port, name in zip(converted.inputs, self.inputs, strict=True):
            port.get_tensor().set_names({name})
        for port, name in zip(converted.outputs, self.outputs, strict=True):
            port.get_tensor().set_names({name})
        return converted


def conversions(model: SceneModel) -> dict[str, Graph]:
    """What a model is made of at run time: `slots`, or for a multi-view model `fuse`, `explain` and `render`.

    Masks are each pixel's probabilities of the slots. Where a decoder draws them (IODINE, MulMON), they are taken given
    the pixel's colour, as the mixture's responsibilities: the image's outlines are sharper than drawn ones. MONet and
    GENESIS infer theirs from the image. Only `render`, which sees none, gives drawn ones.

    Images are [1,3,H,W] in [0,1], masks [K,H,W], latents and what is known of them [K,D], viewpoints [1,Dv].
    """
    image = [1, 3, model.image_size, model.image_size]
    if not isinstance(model, MulMON):
        return {"slots": Graph(_slots(model), {"image": image}, ["masks", "latents"])}
    known = [model.num_slots, model.config.latent_dim]
    viewpoint = [1, VIEWPOINT_DIMS[model.viewpoint_kind]]
    seen = {
        "image": image, "viewpoint": viewpoint, "noise": [model.config.iterations - 1, *known], "mean": known,
        "logvar": known,
    }  # fmt: skip
    view = {"mean": known, "viewpoint": viewpoint}
    return {
        "fuse": Graph(UnrolledMulMON(model), seen, ["mean_after", "logvar_after"]),
        "explain": Graph(_SeenView(model), {"image": image} | view, ["masks", "picture"]),
        "render": Graph(_View(model), view, ["masks", "picture"]),
    }


def sampling_noise(model: IODINE | MulMON) -> Tensor:
    """For the samples that inference takes, always the same: [T-1,K,D]."""
    size = model.config.iterations - 1, model.num_slots, model.config.latent_dim
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


class _Slots(nn.Module):
    """A model that sees an image once, as image [1,3,H,W] -> masks [K,H,W], latents [K,D]."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        inference = self.model.infer(image[:, None])
        return inference.log_masks[0, 0, :, 0].exp(), inference.mean[0]


class _SeenView(nn.Module):
    """Image [1,3,H,W], latents [K,D] and its viewpoint [1,Dv] -> responsibilities [K,H,W], picture [3,H,W]."""

    def __init__(self, model: MultiViewModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, mean: Tensor, viewpoint: Tensor) -> tuple[Tensor, Tensor]:
        drawn = self.model.render(mean[None], viewpoint[None])
        log_masks = log_responsibilities(image[:, None], drawn.appearances, drawn.log_masks, self.model.pixel_std)
        return log_masks[0, 0, :, 0].exp(), drawn.reconstruction[0, 0]


class _View(nn.Module):
    """Latents [K,D] and a viewpoint [1,Dv] -> masks [K,H,W], picture [3,H,W]."""

    def __init__(self, model: MultiViewModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, mean: Tensor, viewpoint: Tensor) -> tuple[Tensor, Tensor]:
        rendering = self.model.render(mean[None], viewpoint[None])
        return rendering.log_masks[0, 0, :, 0].exp(), rendering.reconstruction[0, 0]


def _slots(model: SceneModel) -> nn.Module:
    return UnrolledIODINE(model, sampling_noise(model)) if isinstance(model, IODINE) else _Slots(model)


def _traced(network: nn.Module, example: tuple[Tensor, ...]) -> torch.jit.ScriptModule:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of checks on shapes, which are fixed, and of the tracer's own deprecation
        # Unchecked: the check traces once more and runs both, which takes longer than all the rest.
        return torch.jit.trace(network.eval(), example, check_trace=False)
