"""Each model's weights of posterior samples: against its plain formulation, and against what its loss says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fidelity import Case, noise_in_float32

from lds_models.model import SceneModel
from lds_models.reference import plain

CASES = [
    Case("monet", {"background_std": 0.08, "foreground_std": 0.12, "kl_latent_weight": 0.5}, batch=3),
    Case("monet", {"patch": 2, "image_size": 32, "num_slots": 4, "lds_weight": 0.5}),
    Case("genesis", {"latent_dim": 5}, batch=3),
    Case("genesis", {"patch": 2, "image_size": 32, "num_slots": 4}),
    Case("iodine", {"num_slots": 4, "kl_latent_weight": 0.3}, batch=3),
    Case("mulmon", {"kl_latent_weight": 0.7}, views=4),
    Case("mulmon", {"patch": 2, "image_size": 32, "viewpoint_kind": "pose"}, batch=3, views=2),
]  # fmt: skip
NAMES = [f"{case.model}-{n}" for n, case in enumerate(CASES)]
SAMPLES = 5


def log_weights(model: SceneModel, case: Case, splits: list[int], dtype=torch.float64) -> torch.Tensor:
    """Weights of a batch [B,S], drawn in parts; the same random numbers every time."""
    torch.manual_seed(case.seed)
    with torch.no_grad():
        draw = model.log_weights(*case.data(model, dtype))
        return torch.cat([draw(samples) for samples in splits], dim=1)


@pytest.fixture(params=CASES, ids=NAMES)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(SceneModel, "noise_like", noise_in_float32)
    return replace(request.param, seed=torch.seed() % 2**31)  # fresh each time; a failure's message shows it


def test_weights_are_those_of_the_plain_formulation(case: Case) -> None:
    fast = case.build(scale=1.3).double().eval()
    got, expected = (log_weights(model, case, [SAMPLES]) for model in (fast, plain(fast).eval()))
    assert got.shape == (case.batch, SAMPLES) and got.dtype == torch.float64
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-7, msg=f"{case}")
    assert got.std(1).min() > 0


def test_samples_are_the_same_however_many_are_drawn_at_once(case: Case) -> None:
    model = case.build().double().eval()
    whole = log_weights(model, case, [SAMPLES])
    for splits in ([1] * SAMPLES, [2, 3], [4, 1]):
        torch.testing.assert_close(log_weights(model, case, splits), whole, rtol=1e-12, atol=1e-9, msg=f"{case}")


def test_float32_is_as_good_as_float64(case: Case) -> None:
    model = case.build().eval()
    single = log_weights(model, case, [SAMPLES], torch.float32)
    double = log_weights(model.double(), case, [SAMPLES])
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-2, msg=f"{case}")
