"""The compiled layers against PyTorch's own in float64, and what happens where nothing can be compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lds_models.compiled import kernel
from lds_models.fused import Activation, InstanceNormReLU, activate_, activation_gradient, head_gradients, join

DTYPES = [torch.float32, torch.bfloat16]
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
SIZES = [(16, 8, 8), (40, 9, 7), (5, 3, 11)]  # channels, height, width: of whole registers and of parts


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def draw(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)


def assert_same(ours: tuple[Tensor, ...], exact: tuple[Tensor, ...], dtype: torch.dtype) -> None:
    part = TOLERANCE[dtype]
    for one, other in zip(ours, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=part, atol=part * float(other.abs().max()))


def with_gradients(function: Callable[..., Tensor], inputs: list[Tensor], upstream: Tensor) -> tuple[Tensor, ...]:
    """What it returns and the gradients by its inputs."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    out = function(*leaves)
    return out.detach(), *torch.autograd.grad(out, leaves, upstream)


def assert_equals_torch(ours: Callable, theirs: Callable, inputs: list[Tensor], upstream: Tensor) -> None:
    """Values and gradients, to the precision of the first input, with PyTorch computing in float64."""
    exact = with_gradients(theirs, [x.double() for x in inputs], upstream.double())
    assert_same(with_gradients(ours, inputs, upstream), exact, inputs[0].dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kernels_are_compiled_here(dtype: torch.dtype) -> None:
    assert kernel("norm_relu", torch.zeros(1, dtype=dtype)) is not None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_instance_norm_equals_torchs(size: tuple[int, int, int], dtype: torch.dtype) -> None:
    layer = InstanceNormReLU(size[0])

    def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, x)

    def theirs(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.relu(F.instance_norm(x, weight=weight, bias=bias))

    inputs = [draw(3, *size, dtype=dtype) * 3 + 5, torch.rand(size[0]) + 0.5, torch.randn(size[0])]
    assert_equals_torch(ours, theirs, inputs, draw(3, *size, dtype=dtype))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_activation_equals_torchs(size: tuple[int, int, int], dtype: torch.dtype, alpha: float) -> None:
    def ours(x: Tensor) -> Tensor:
        return Activation(alpha)(x * 1)  # in place

    def theirs(x: Tensor) -> Tensor:
        return F.elu(x, alpha) if alpha else F.relu(x)

    assert_equals_torch(ours, theirs, [4 * draw(3, *size, dtype=dtype)], draw(3, *size, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_activation_at_its_limits(alpha: float, dtype: torch.dtype) -> None:
    values = torch.tensor([float("-inf"), -1e30, -200.0, -1e-30, -0.0, 0.0, 1e-30, 200.0, 3e38, float("inf")])
    x = values.to(dtype).view(1, 1, 2, 5).contiguous(memory_format=torch.channels_last)
    expected = F.elu(x.double(), alpha) if alpha else F.relu(x.double())
    torch.testing.assert_close(activate_(x.clone(), alpha).double(), expected)
    assert activate_(x * float("nan"), alpha).isnan().all()


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_activation_gradient_and_its_sums(layout: torch.memory_format) -> None:
    out, grad = (torch.randn(3, 20, 5, 6).contiguous(memory_format=layout) for _ in range(2))
    expected = torch.where(out > 0, grad, grad * (out + 1))
    by_input, sums = activation_gradient(grad.clone(memory_format=torch.preserve_format), out, 1.0)
    torch.testing.assert_close(by_input, expected)
    torch.testing.assert_close(sums, expected.sum((2, 3)))
    torch.testing.assert_close(activation_gradient(grad, out, 1.0, in_place=True)[0], expected)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("outputs", [1, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_gradients_of_the_head(size: tuple[int, int, int], dtype: torch.dtype, outputs: int, alpha: float) -> None:
    before, grad = draw(3, *size, dtype=dtype), draw(3, outputs, *size[1:], dtype=dtype)
    weight = draw(outputs, size[0], 1, 1, dtype=dtype)
    seen = activate_(before.clone(), alpha)

    leaves = [before.double().requires_grad_(), weight.double().requires_grad_(), torch.zeros(outputs).double()]
    leaves[2].requires_grad_()
    # The derivative of what was rounded: the activation's is taken at its output.
    activated = F.elu(leaves[0], alpha) if alpha else F.relu(leaves[0])
    activated = activated + (seen.double() - activated).detach()
    by_before, by_weight, by_bias = torch.autograd.grad(F.conv2d(activated, *leaves[1:]), leaves, grad.double())
    expected = by_before, by_before.sum((2, 3)), by_weight, by_bias
    assert_same(head_gradients(grad, seen, weight, alpha), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_join_equals_torchs(dtype: torch.dtype) -> None:
    def theirs(low: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([F.interpolate(low, skip.shape[2:]), skip], dim=1)

    for size in ((6, 10), (3, 5)):  # the second is low's own
        inputs = [draw(2, 20, 3, 5, dtype=dtype), draw(2, 7, *size, dtype=dtype)]
        assert_equals_torch(join, theirs, inputs, draw(2, 27, *size, dtype=dtype))


WITHOUT_COMPILER = """
import warnings, torch
from lds_models.registry import build_model
torch.manual_seed(0)
model = build_model({"name": "monet", "image_size": 16, "num_slots": 3})
images = torch.rand(2, 1, 3, 16, 16)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    total = model.loss(images).total
    total.backward()
print(total.item(), sum(p.grad.abs().sum().item() for p in model.parameters()))
print(*(str(warning.message) for warning in caught), sep="\\n")
"""


def run_loss(folder: Path, compiler: str) -> tuple[list[float], list[str]]:
    environment = {**os.environ, "LDS_CACHE": str(folder), "CXX": compiler}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER], env=environment, capture_output=True, text=True, check=True
    )
    numbers, *warnings = done.stdout.strip().splitlines()
    return [float(number) for number in numbers.split()], warnings


def test_without_a_compiler_training_is_slower_but_the_same_and_says_what_to_do(tmp_path: Path) -> None:
    compiled, nothing = run_loss(tmp_path / "with", "g++")
    plain, told = run_loss(tmp_path / "without", "no-such-compiler")
    assert compiled == pytest.approx(plain, rel=1e-4) and not nothing
    assert len(told) == 1 and "kernels.cpp cannot be compiled" in told[0] and "install g++" in told[0]
    assert [path.suffix for path in (tmp_path / "with").iterdir()] == [".so"]


def test_what_the_compiler_says_is_told(tmp_path: Path) -> None:
    compiler = tmp_path / "broken-compiler"
    compiler.write_text("#!/bin/sh\necho 'out of registers' >&2\nexit 1\n")
    compiler.chmod(0o755)
    assert "out of registers" in run_loss(tmp_path / "cache", str(compiler))[1][0]
