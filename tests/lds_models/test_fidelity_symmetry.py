"""What must not depend on an order: of slots (IODINE, MulMON), of scenes in a batch, of views.

MONet's and GENESIS's slots follow one another, so theirs does matter. So does the order in which MulMON observes views:
it refines from one view to the next, and later views weigh more. Only what it knows without refinement does not.
"""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from fidelity import Case
from torch import Tensor

from lds_models.model import LossTerms, SceneModel
from lds_models.mulmon import MulMON

ITERATIVE = [
    Case("iodine", {"num_slots": 4, "lds_weight": 0.5}),
    Case("mulmon", {"num_slots": 4, "lds_weight": 0.5}, views=5),
]
MODELS = [*ITERATIVE, Case("monet", {"lds_weight": 0.5}), Case("genesis", {"lds_weight": 0.5})]
BATCH = 3


def by_name(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.model for case in cases])


def permute_noise(monkeypatch: pytest.MonkeyPatch, order: list[int], dim: int) -> None:
    """Noise is what it would be, its entries along a dimension of this length in another order."""

    def noise_like(self: SceneModel, tensor: Tensor) -> Tensor:
        noise = torch.randn(tensor.shape, dtype=tensor.dtype)
        return noise.index_select(dim, torch.tensor(order)) if noise.shape[dim] == len(order) else noise

    monkeypatch.setattr(SceneModel, "noise_like", noise_like)


def without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SceneModel, "noise_like", lambda self, tensor: torch.zeros_like(tensor))


def observe(monkeypatch: pytest.MonkeyPatch, order: list[int], observed: int) -> None:
    """MulMON observes the first views of this order, and is asked for the others."""
    monkeypatch.setattr(torch, "randperm", lambda *_, **__: torch.tensor(order))
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor(observed))


def same_terms(first: LossTerms, second: LossTerms) -> None:
    for name, term in first.detached().items():
        torch.testing.assert_close(second.detached()[name], term, rtol=1e-8, atol=1e-8, msg=name)


@by_name(ITERATIVE)
def test_permuted_noise_permutes_slots(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    model = case.build(scale=1.3).double()
    data, order = case.data(model, torch.float64), [2, 0, 3, 1]
    explained, losses = [], []
    for slots in (sorted(order), order):
        permute_noise(monkeypatch, slots, dim=-2)
        torch.manual_seed(1)
        explained.append(model.infer(*data))
        losses.append(model.loss(*data))
    same_terms(*losses)
    first, second = ({name: value.detach() for name, value in vars(each).items()} for each in explained)
    assert (first["mean"][:, 0] - first["mean"][:, 1]).abs().max() > 1e-4, "slots that are all the same would not tell"
    for name, slots_at in {"mean": 1, "std": 1, "sample": 1, "log_masks": 2, "appearances": 2}.items():
        expected = first[name].index_select(slots_at, torch.tensor(order))
        torch.testing.assert_close(second[name], expected, rtol=1e-8, atol=1e-8, msg=name)
    torch.testing.assert_close(second["reconstruction"], first["reconstruction"], rtol=1e-8, atol=1e-8)


@by_name(MODELS)
def test_scenes_of_a_batch_do_not_see_one_another(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(case.model, case.settings, BATCH, case.views)
    model = case.build(scale=1.3).double()
    images, viewpoints = case.data(model, torch.float64)
    order = [2, 0, 1]
    explained, losses = [], []
    for scenes in (sorted(order), order):
        permute_noise(monkeypatch, scenes, dim=0)
        torch.manual_seed(1)
        data = images[scenes], None if viewpoints is None else viewpoints[scenes]
        explained.append(model.infer(*data))
        losses.append(deepcopy(model).loss(*data))  # GENESIS has a state, which each loss moves on
    same_terms(*losses)
    for (name, first), second in zip(vars(explained[0]).items(), vars(explained[1]).values(), strict=True):
        torch.testing.assert_close(second, first[order], rtol=1e-8, atol=1e-8, msg=name)


@by_name(MODELS)
def test_masks_sum_to_one(case: Case) -> None:
    model = case.build(scale=1.3).double()
    masks = model.infer(*case.data(model, torch.float64)).log_masks.exp()
    assert masks.min() >= 0
    torch.testing.assert_close(masks.sum(2), torch.ones_like(masks[:, :, 0]))


def test_queries_may_come_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = _mulmon()
    without_noise(monkeypatch)
    losses = []
    for order in ([3, 1, 0, 2, 4], [3, 1, 4, 0, 2]):
        observe(monkeypatch, order, observed=2)
        losses.append(model.loss(*data))
    same_terms(*losses)
    observe(monkeypatch, [3, 0, 1, 2, 4], observed=2)
    assert abs(model.loss(*data).total - losses[0].total) > 1e-3, "other observed views are another objective"


def test_observed_views_have_an_order_because_of_refinement_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    without_noise(monkeypatch)
    nlls: dict[int, list[Tensor]] = {1: [], 3: []}
    for iterations, found in nlls.items():
        model, data = _mulmon(iterations)
        for order in ([3, 1, 0, 2, 4], [1, 0, 3, 2, 4]):
            observe(monkeypatch, order, observed=3)
            found.append(model.loss(*data).nll.detach())
    torch.testing.assert_close(*nlls[1], rtol=1e-8, atol=0)
    assert abs(nlls[3][0] - nlls[3][1]) > 1e-3


def test_viewpoints_are_rendered_in_any_order() -> None:
    model, (_, viewpoints) = _mulmon()
    latents, order = torch.randn(2, 3, 16, dtype=torch.float64), [4, 2, 0, 1, 3]
    first, second = model.render(latents, viewpoints), model.render(latents, viewpoints[:, order])
    for name, value in vars(first).items():
        torch.testing.assert_close(getattr(second, name), value[:, order], msg=name)


def _mulmon(iterations: int = 3) -> tuple[MulMON, tuple[Tensor, Tensor]]:
    case = Case("mulmon", {"iterations": iterations}, views=5)
    model = case.build(scale=1.3).double()
    return model, case.data(model, torch.float64)
