"""GENESIS: the contract of scene models, its masks and autoregressive distributions, GECO, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributions import Normal, kl_divergence

from lds_models.genesis import GENESIS, GENESISConfig
from lds_models.genesis_geco import GECO
from lds_models.genesis_masks import MaskPosterior, MaskPrior, stick_breaking
from lds_models.genesis_networks import MaskDecoder, gate
from lds_models.genesis_norm import BatchNorm
from lds_models.lds_prior import lds_prior
from lds_models.mixture import sampled_kl
from lds_models.registry import ConfigError, build_model
from lds_models.training.experiment import load_experiment

SMALL = GENESISConfig(image_size=16, num_slots=4, mask_latent_dim=8, latent_dim=6, decoder_channels=8)


@pytest.fixture
def model() -> GENESIS:
    torch.manual_seed(0)
    return GENESIS(SMALL)


@pytest.mark.parametrize("patch", [1, 2])
def test_inference_keeps_the_contract(patch: int) -> None:
    inference = GENESIS(replace(SMALL, image_size=32, patch=patch)).infer(torch.rand(2, 1, 3, 32, 32))
    assert inference.mean.shape == inference.std.shape == inference.sample.shape == (2, 4, 6)
    assert inference.log_masks.shape == (2, 1, 4, 1, 32, 32)
    assert inference.appearances.shape == (2, 1, 4, 3, 32, 32)
    assert inference.reconstruction.shape == (2, 1, 3, 32, 32)
    assert (inference.std > 0).all()
    assert 0 <= inference.appearances.min() and inference.appearances.max() <= 1
    torch.testing.assert_close(inference.log_masks.exp().sum(2), torch.ones(2, 1, 1, 32, 32))
    mixture_mean = (inference.log_masks.exp() * inference.appearances).sum(2)
    torch.testing.assert_close(inference.reconstruction, mixture_mean)


def test_masks_share_out_what_those_before_left() -> None:
    logits = 5 * torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    scope, expected = torch.ones(2, 1, 4, 4, dtype=torch.float64), []
    for logit in logits.unbind(1):
        expected.append(scope * logit.sigmoid())
        scope = scope * (1 - logit.sigmoid())
    masks = stick_breaking(logits).exp()
    torch.testing.assert_close(masks, torch.stack([*expected, scope], dim=1))
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 1, 4, 4, dtype=torch.float64))


def test_masks_of_extreme_logits_are_finite() -> None:
    logits = torch.tensor([-1e4, 1e4, 0.0]).view(1, 3, 1, 1, 1)
    assert stick_breaking(logits).isfinite().all()


def test_gates_equal_torchs() -> None:
    x = torch.randn(2, 6, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(gate(x), F.glu(x, dim=1))


def test_decoding_starts_with_a_transposed_convolution_from_one_pixel() -> None:
    torch.manual_seed(0)
    decoder = MaskDecoder(5, 16).double().eval()
    decoder.bias.data.normal_()
    latents = torch.randn(2, 5, dtype=torch.float64)
    kernel = decoder.from_latent.weight.view(4, 4, 128, 5).permute(3, 2, 0, 1)
    grid = F.glu(F.conv_transpose2d(latents[:, :, None, None], kernel, decoder.bias), dim=1)
    torch.testing.assert_close(decoder(latents), decoder.head(decoder.convolutions(grid)))


def test_kl_of_a_sample_is_torchs_ratio_of_densities_and_averages_to_the_kl() -> None:
    torch.manual_seed(0)
    q = Normal(torch.randn(2, 3, 4, dtype=torch.float64), torch.rand(2, 3, 4, dtype=torch.float64) + 0.1)
    p = Normal(torch.randn(2, 3, 4, dtype=torch.float64), torch.rand(2, 3, 4, dtype=torch.float64) + 0.5)
    noise = torch.randn(20000, 2, 3, 4, dtype=torch.float64)
    sample = q.mean + q.stddev * noise
    one = sampled_kl(noise[0], q.stddev, sample[0], p.mean, p.stddev)
    torch.testing.assert_close(one, (q.log_prob(sample[0]) - p.log_prob(sample[0])).sum((1, 2)))
    every = (t.expand_as(noise).flatten(0, 1) for t in (noise, q.stddev, sample, p.mean, p.stddev))
    average = sampled_kl(*every).view(len(noise), 2).mean(0)
    torch.testing.assert_close(average, kl_divergence(q, p).sum((1, 2)), rtol=0.02, atol=0.05)


def test_prior_of_a_slot_depends_on_earlier_slots_alone() -> None:
    torch.manual_seed(0)
    prior, latents = MaskPrior(3).double(), torch.randn(1, 4, 3, dtype=torch.float64)
    for output in range(2):  # mean, std
        jacobian = torch.autograd.functional.jacobian(lambda z, i=output: prior(z)[i], latents)
        depends = jacobian.abs().sum((0, 2, 3, 5)) > 0  # [slot of the prior, slot of the latent]
        assert torch.equal(depends, torch.ones(4, 4).tril(-1).bool())
    mean, std = prior(latents)
    torch.testing.assert_close(mean[:, 0], torch.zeros(1, 3, dtype=torch.float64))
    torch.testing.assert_close(std[:, 0], torch.ones(1, 3, dtype=torch.float64))


def test_posterior_of_a_slot_depends_on_the_image_and_earlier_slots() -> None:
    torch.manual_seed(0)
    posterior, features = MaskPosterior(5, 3).double(), torch.randn(1, 5, dtype=torch.float64)
    noise = torch.randn(1, 4, 3, dtype=torch.float64)
    by_noise = torch.autograd.functional.jacobian(lambda n: posterior(features, n)[1], noise)  # standard deviations
    assert torch.equal(by_noise.abs().sum((0, 2, 3, 5)) > 0, torch.ones(4, 4).tril(-1).bool())
    by_image = torch.autograd.functional.jacobian(lambda f: posterior(f, noise)[1], features)
    assert (by_image.abs().sum((0, 2, 3, 4)) > 0).all()


def test_total_is_the_stated_objective(model: GENESIS) -> None:
    model.config = model.lds.config = replace(SMALL, lds_weight=0.5)
    model.geco.weight.fill_(0.3)
    terms = model.loss(torch.rand(3, 1, 3, 16, 16))
    torch.testing.assert_close(terms.total, terms.nll + 0.3 * (terms.kl_latent + terms.kl_mask - 0.5 * terms.lds))


def test_lds_is_of_the_component_latents() -> None:
    torch.manual_seed(0)
    model = GENESIS(replace(SMALL, lds_on="mean")).eval()
    model.noise_like = torch.zeros_like
    images = torch.rand(2, 1, 3, 16, 16)
    torch.testing.assert_close(model.loss(images).lds, lds_prior(model.infer(images).mean).mean())


def test_lds_leaves_inference_untouched() -> None:
    images = torch.rand(2, 1, 3, 16, 16)
    outputs = []
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        outputs.append(GENESIS(replace(SMALL, lds_weight=weight)).infer(images).log_masks)
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


def test_inference_is_the_same_in_training_mode_and_leaves_no_trace(model: GENESIS) -> None:
    images = torch.rand(3, 1, 3, 16, 16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    while_training = model.infer(images).log_masks
    assert model.training
    torch.testing.assert_close(model.eval().infer(images[:1]).log_masks, while_training[:1])
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_geco_weight_falls_above_the_goal_and_rises_faster_below_it() -> None:
    geco = GECO(goal=100.0, rate=1e-3, speedup=10.0, decay=0.9)
    weight, average = 1.0, 150.0
    for nll in (150.0, 120.0, 60.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0):
        torch.testing.assert_close(geco(torch.tensor(nll)), torch.tensor(weight))
        average = 0.9 * average + 0.1 * nll
        room = 100.0 - average
        weight *= torch.tensor(1e-3 * room * (10 if room > 0 else 1)).exp().item()
    assert average < 100  # both sides of the goal were seen


def test_geco_goes_on_from_its_state_and_rests_in_evaluation() -> None:
    geco, resumed = GECO(100.0, 1e-3, 10.0), GECO(100.0, 1e-3, 10.0)
    for nll in (150.0, 130.0):
        geco(torch.tensor(nll))
    resumed.load_state_dict(geco.state_dict())
    before = geco.eval()(torch.tensor(500.0))
    torch.testing.assert_close(geco.train()(torch.tensor(120.0)), before, rtol=0, atol=0)
    resumed(torch.tensor(120.0))
    torch.testing.assert_close(resumed.state_dict(), geco.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalisation_equals_torchs_with_gradients(training: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(5).double(), nn.BatchNorm2d(5).double()
    ours.weight.data.uniform_(0.5, 2)
    ours.bias.data.normal_()
    theirs.weight, theirs.bias = ours.weight, ours.bias
    x = torch.randn(3, 5, 6, 7, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    out, expected = ours.train(training)(x), theirs.train(training)(x)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_variance, theirs.running_var)
    upstream, inputs = torch.randn_like(out), (x, ours.weight, ours.bias)
    for got, wanted in zip(
        torch.autograd.grad(out, inputs, upstream), torch.autograd.grad(expected, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(got, wanted)


def test_losses_of_two_shards_average_to_the_whole_batchs(model: GENESIS) -> None:
    model.eval()  # batch statistics, which processes exchange, are the next test's
    images = torch.rand(4, 1, 3, 16, 16)
    totals = []
    for shard in ((0, 1), (0, 2), (1, 2)):
        rank, processes = model.shard = shard
        torch.manual_seed(7)
        totals.append(model.loss(images.chunk(processes)[rank]).total)
    torch.testing.assert_close(totals[0], (totals[1] + totals[2]) / 2)


def train_two_steps(rank: int, processes: int, folder: Path) -> None:
    """Two steps of gradient descent on a shard of four images, gradients averaged; the model's state goes to a file."""
    if processes > 1:
        dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=processes)
    torch.manual_seed(0)
    model = GENESIS(replace(SMALL, lds_weight=0.5, geco_rate=1e-3)).double()
    images = torch.rand(4, 1, 3, 16, 16, dtype=torch.float64)
    model.shard = (rank, processes)
    for _ in range(2):
        model.zero_grad()
        model.loss(images.chunk(processes)[rank]).total.backward()
        for parameter in model.parameters():
            if processes > 1:
                dist.all_reduce(parameter.grad)
            parameter.data -= 1e-3 * parameter.grad / processes
    save_file(model.state_dict(), folder / f"{rank}_of_{processes}.safetensors")


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    train_two_steps(0, 1, tmp_path)
    torch.multiprocessing.spawn(train_two_steps, (2, tmp_path), nprocs=2)
    alone, *together = (load_file(tmp_path / f"{name}.safetensors") for name in ("0_of_1", "0_of_2", "1_of_2"))
    for state in together:
        torch.testing.assert_close(state, alone, rtol=1e-8, atol=1e-10)


def test_image_of_another_size_is_refused(model: GENESIS) -> None:
    with pytest.raises(ValueError, match=r"expected images \[B,V,3,16,16\], got \[1, 1, 3, 64, 64\]"):
        model.infer(torch.rand(1, 1, 3, 64, 64))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 48}, "image size over patch must be 16, 32, 64, 128 or 256, got 48"),
        ({"num_slots": 1}, "num_slots must be 2 or more, got 1"),
        ({"lds_on": "noise"}, "sample"),
    ],
)
def test_bad_settings_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model({"name": "genesis", **settings})


def test_paper_presets_are_the_authors_settings_and_differ_by_lds_alone() -> None:
    base, lds = (load_experiment(f"paper_genesis_{kind}", ["data.path=x"]) for kind in ("base", "lds"))
    assert lds.model.pop("lds_weight") == 1.0 and base.model.pop("lds_weight") == 0.0
    assert base == lds
    assert (base.optimiser.name, base.optimiser.lr, base.batch_size, base.steps) == ("adam", 1e-4, 32, 500_000)
    assert build_model(base.model).config == GENESISConfig()
