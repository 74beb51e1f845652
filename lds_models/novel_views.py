"""Views that a multi-view model is shown, and views that it has to imagine."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lds_models.model import MultiViewModel, Rendering, SlotInference

OBSERVED_VIEWS = 5  # as in MulMON's published evaluation (NanboLi/MulMON, eval.py)


def choose_observed(first_view: np.ndarray, observe: int, seed: int) -> np.ndarray:
    """Which views the model is shown: `observe` of each scene at random, or all where there are no more. bool [N].

    A scene's choice depends on the seed, its place and its number of views alone.

    Args:
        first_view: [S+1], see `PackedDataset`.
    """
    observed = np.zeros(first_view[-1], bool)
    for scene, (start, stop) in enumerate(zip(first_view[:-1], first_view[1:], strict=True)):
        order = np.random.default_rng([seed, scene]).permutation(stop - start)
        observed[start + order[:observe]] = True
    return observed


def infer_and_render(
    model: MultiViewModel, images: Tensor, viewpoints: Tensor, observed: Tensor, images_at_once: int
) -> SlotInference:
    """Infer scenes from their observed views alone, and render the others from the posterior's mean.

    Args:
        images: [B,V,3,H,W].
        viewpoints: [B,V,Dv].
        observed: bool [B,V], of equally many views in each scene.
        images_at_once: how many images are rendered together, which bounds the memory.

    Returns:
        The inference, with all V views in their order.
    """
    order, seen, unseen = _observed_first(observed)
    inference = model.infer(_views(images, seen), _views(viewpoints, seen))
    parts: list[SlotInference | Rendering] = [inference]
    if unseen.shape[1]:
        for views in unseen.split(max(1, images_at_once // len(images)), dim=1):
            parts.append(model.render(inference.mean, _views(viewpoints, views)))
    back = order.argsort(dim=1)

    def all_views(name: str) -> Tensor:
        return _views(torch.cat([getattr(part, name) for part in parts], dim=1), back)

    return SlotInference(
        mean=inference.mean,
        std=inference.std,
        sample=inference.sample,
        log_masks=all_views("log_masks"),
        appearances=all_views("appearances"),
        reconstruction=all_views("reconstruction"),
    )


def observed_alone(images: Tensor, viewpoints: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """The observed of views [B,V,3,H,W] and of their viewpoints [B,V,Dv], in the order that `infer` sees them."""
    _, seen, _ = _observed_first(observed)
    return _views(images, seen), _views(viewpoints, seen)


def _observed_first(observed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of all views [B,V] with the observed ones first, of the observed ones alone, and of the others."""
    order = (~observed).int().argsort(dim=1, stable=True)
    return order, *order.split([int(observed[0].sum()), int((~observed[0]).sum())], dim=1)


def _views(tensor: Tensor, views: Tensor) -> Tensor:
    """The views [B,N] (indices) of a tensor [B,V,...]."""
    return tensor[torch.arange(len(tensor), device=tensor.device)[:, None], views]
