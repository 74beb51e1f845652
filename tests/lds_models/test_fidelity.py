"""Every model's fast path against its plain formulation in float64: loss, all gradients, inference, fresh inputs."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

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
    Case("mulmon", {"iterations": 2}, batch=1, views=1),
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
    fast = case.build()
    reference = plain(fast).double()
    got, expected = loss_and_gradients(fast, case, torch.float32), loss_and_gradients(reference, case, torch.float64)
    names = [name for name, _ in fast.named_parameters()]
    assert difference(joined(got, names), joined(expected, names)) < 1e-5, f"gradient, {case}"
    for name in got.keys() - names:
        torch.testing.assert_close(got[name].double(), expected[name], rtol=1e-5, atol=1e-4, msg=f"{name}, {case}")
    # A ReLU's input that rounding moves over 0 shows in the few numbers of one parameter.
    single = {name: difference(got[name], expected[name]) for name in names}
    assert max(single.values()) < 1e-2, f"{case}: {_largest(single)}"
    worst = differences(inferred(fast, case, torch.float32), inferred(reference, case, torch.float64))
    assert max(worst.values()) < 1e-5, f"{case}: {_largest(worst)}"


def test_in_bf16_all_is_the_same_to_2e_2(case: Case) -> None:
    """As far as bf16 goes: where the gradients of PyTorch's own layers are less exact than that, ours may be, too."""
    case = replace(case, batch=6)
    fast = case.build()
    reference = plain(fast)
    got = loss_and_gradients(fast, case, torch.float32, bf16=True)
    torchs = loss_and_gradients(reference, case, torch.float32, bf16=True)
    inference = inferred(fast, case, torch.float32, bf16=True)
    reference = reference.double()
    expected = loss_and_gradients(reference, case, torch.float64)
    names = [name for name, _ in fast.named_parameters()]
    for name in got.keys() - names:
        torch.testing.assert_close(got[name].double(), expected[name], rtol=2e-2, atol=0.1, msg=f"{name}, {case}")
    error, torchs_error = (difference(joined(x, names), joined(expected, names)) for x in (got, torchs))
    assert error < max(2e-2, 2 * torchs_error), f"gradient: {error:.1e}, {case}"
    for network, members in groupby(names, key=lambda name: name.removeprefix("refiner.").split(".")[0]):
        members = list(members)
        error, torchs_error = (difference(joined(x, members), joined(expected, members)) for x in (got, torchs))
        assert error < 2e-2 + 2 * torchs_error, f"gradient of {network}: {error:.1e}, {case}"
    worst = differences(inference, inferred(reference, case, torch.float64))
    assert max(worst.values()) < 2e-2, f"{case}: {_largest(worst)}"


def _largest(differences: dict[str, float]) -> str:
    ranked = sorted(differences.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} differs by {value:.1e}" for name, value in ranked[:5])
