"""Every model's fast path against its plain formulation in float64: loss, all gradients, inference, fresh inputs."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from statistics import median

import pytest
import torch
from fidelity import Case, difference, differences, inferred, joined, loss_and_gradients, noise_in_float32

from lds_models.model import SceneModel
from lds_models.reference import plain

CASES = [
    Case("monet", {"lds_weight": 0.5, "background_std": 0.08, "foreground_std": 0.12}, batch=3),
    Case("monet", {"patch": 2, "image_size": 32, "num_slots": 4, "lds_weight": 0.5, "lds_on": "mean"}),
    Case("genesis", {"lds_weight": 0.5, "latent_dim": 5}, batch=3),
    Case("genesis", {"patch": 2, "image_size": 32, "num_slots": 4}),
    Case("iodine", {"lds_weight": 1.0, "num_slots": 4}, batch=3),
    Case("iodine", {"patch": 2, "image_size": 32, "latent_dim": 5, "iterations": 4, "lds_weight": 0.5}),
    Case("mulmon", {"lds_weight": 1.0, "kl_latent_weight": 0.7, "query_weight": 0.6}, batch=2, views=4),
    Case("mulmon", {"patch": 2, "num_slots": 4, "image_size": 32, "viewpoint_kind": "pose"}, batch=3, views=3),
    Case("mulmon", {"iterations": 2, "decoder_activation": "elu", "decoder_padded": True}, batch=1, views=1),
]  # fmt: skip
NAMES = [f"{case.model}-{n}" for n, case in enumerate(CASES)]


@pytest.fixture(params=CASES, ids=NAMES)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(SceneModel, "noise_like", noise_in_float32)
    return replace(request.param, seed=torch.seed() % 2**31)  # fresh each time; a failure's message shows it


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=["nhwc", "nchw"])
def test_in_float64_all_is_the_same(case: Case, layout: torch.memory_format) -> None:
    fast = case.build(scale=1.3).double().to(memory_format=layout)
    reference = plain(fast)
    for computed in (loss_and_gradients, inferred):
        worst = differences(*(computed(model, case, torch.float64) for model in (fast, reference)))
        assert max(worst.values()) < 1e-9, f"{case}: {_largest(worst)}"


def test_in_float32_all_is_the_same_to_1e_5(case: Case) -> None:
    """Where rounding moves a ReLU's input over 0, derivatives jump, and what refinement infers from them.

    So one of three fresh inputs may be off, by little.
    """
    inputs = [_float32_errors(replace(case, seed=case.seed + n)) for n in range(3)]
    bounds = {
        "terms": (1e-5, 1e-3),
        "half": (1e-5, 1e-3),
        "gradient": (1e-4, 1e-2),
        "explained": (1e-3, 1e-2),
        "any": (5e-2, 0.5),
    }
    for what, (typical, worst) in bounds.items():
        errors = [errors[what] for errors in inputs]
        assert median(errors) < typical and max(errors) < worst, f"{what}: {errors}, {case}"


def _float32_errors(case: Case) -> dict[str, float]:
    """How far the fast path in float32 is from the plain one in float64, relative.

    Of the loss's terms (of those under 10 nats: relative to 10), the whole gradient, the worst of what `infer` returns,
    any parameter's gradient, and the median of all but the terms.
    """
    fast = case.build()
    reference = plain(fast).double()
    got, expected = loss_and_gradients(fast, case, torch.float32), loss_and_gradients(reference, case, torch.float64)
    names = [name for name, _ in fast.named_parameters()]
    terms = [abs(got[name] - expected[name]) / max(abs(expected[name]), 10) for name in got.keys() - names]
    gradients = [difference(got[name], expected[name]) for name in names]
    explained = differences(inferred(fast, case, torch.float32), inferred(reference, case, torch.float64)).values()
    return {
        "terms": float(max(terms)),
        "gradient": difference(joined(got, names), joined(expected, names)),
        "explained": max(explained),
        "any": max(gradients),
        "half": median([*gradients, *explained]),
    }


def test_in_bf16_all_is_the_same_to_2e_2(case: Case) -> None:
    """As far as bf16 goes: where PyTorch's own layers are less exact than that, ours may be, too."""
    case = replace(case, batch=6)
    fast = case.build()
    reference = plain(fast)
    got = loss_and_gradients(fast, case, torch.float32, bf16=True)
    torchs = loss_and_gradients(reference, case, torch.float32, bf16=True)
    inferences = [inferred(model, case, torch.float32, bf16=True) for model in (fast, reference)]
    reference = reference.double()
    expected = loss_and_gradients(reference, case, torch.float64)
    names = [name for name, _ in fast.named_parameters()]
    for name in got.keys() - names:
        torch.testing.assert_close(got[name].double(), expected[name], rtol=2e-2, atol=0.1, msg=f"{name}, {case}")
    error, torchs_error = (difference(joined(x, names), joined(expected, names)) for x in (got, torchs))
    assert error < max(2e-2, 3 * torchs_error), f"gradient: {error:.1e}, {case}"
    for network, members in groupby(names, key=lambda name: name.removeprefix("refiner.").split(".")[0]):
        members = list(members)
        error, torchs_error = (difference(joined(x, members), joined(expected, members)) for x in (got, torchs))
        assert error < 2e-2 + 3 * torchs_error, f"gradient of {network}: {error:.1e}, {case}"
    exact = inferred(reference, case, torch.float64)
    worst, torchs_worst = (differences(inference, exact) for inference in inferences)
    assert max(worst.values()) < max(2e-2, 3 * max(torchs_worst.values())), f"{case}: {_largest(worst)}"


def test_three_training_steps_come_to_the_same(case: Case) -> None:
    """With what a model keeps from step to step beside its parameters: GENESIS's statistics and constraint."""
    fast = case.build().double()
    models, data = (fast, plain(fast)), case.data(fast, torch.float64)
    for model in models:
        torch.manual_seed(case.seed)
        optimiser = torch.optim.SGD(model.parameters(), 1e-6)
        for _ in range(3):
            optimiser.zero_grad()
            model.loss(*data).total.backward()
            optimiser.step()
    terms = differences(*(loss_and_gradients(model, case, torch.float64) for model in models))
    inference = differences(*(inferred(model, case, torch.float64) for model in models))
    assert max({**terms, **inference}.values()) < 1e-7, f"{case}: {_largest({**terms, **inference})}"


def test_the_plain_formulation_leaves_the_model_alone() -> None:
    model = CASES[0].build()
    before = model.decoder.head.weight.detach().clone()
    with torch.no_grad():
        plain(model).decoder.head.weight.add_(1)
    torch.testing.assert_close(model.decoder.head.weight.detach(), before)


@pytest.mark.parametrize("setting", [{"lds_kernel": "rbf"}, {"lds_penalty": "squared"}, {"lds_pairs": "visible"}])
def test_the_plain_formulation_has_the_papers_lds_only(setting: dict[str, str]) -> None:
    case = Case("iodine", setting)
    model = plain(case.build())
    with pytest.raises(ValueError, match="the paper's LDS only"):
        model.loss(*case.data(model))


def _largest(differences: dict[str, float]) -> str:
    ranked = sorted(differences.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} differs by {value:.1e}" for name, value in ranked[:5])
