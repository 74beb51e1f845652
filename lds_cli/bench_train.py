"""What `lds bench train` and `lds bench data` measure."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable

from lds_cli.bench_rows import Row, interleaved_medians, peak_memory_mb
from lds_cli.train import HUGE_PAGES

BATCH = 16
IMAGES = 15_000


def train_rows() -> list[Row]:
    """MONet's training step at the paper's size (K 7, 64x64, batch 16) against its plain float32 NCHW formulation."""
    import torch

    from lds_models.precision import best_precision

    model, images = _model_and_images()
    model = model.to(memory_format=torch.channels_last)
    bf16 = best_precision() == "bf16-mixed"
    packed = torch.randint(0, 256, (IMAGES, 64, 64, 3), dtype=torch.uint8).numpy()
    with _PlainStep() as reference:
        functions = [_step(model, lambda: images, bf16), reference, _lds(model), _step(model, _batches(packed), bf16)]
        fast, slow, lds, fed = interleaved_medians(functions, rounds=9)
    return [
        Row("monet/train_step", 1e3 * fast, "ms", 1e3 * slow, slow / fast, peak_memory_mb()),
        Row("monet/lds_prior", 1e3 * lds, "ms", 1e3 * fast, fast / lds),
        Row("monet/train_step_with_data", 1e3 * fed, "ms", 1e3 * fast, fast / fed),
    ]


class _PlainStep:
    """The plain formulation's step in a process of its own, without `lds train`'s memory settings. A context."""

    def __enter__(self) -> _PlainStep:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve_plain_steps, args=(theirs,), daemon=True)
        tuned = os.environ.pop(HUGE_PAGES, None)
        self._process.start()
        if tuned is not None:
            os.environ[HUGE_PAGES] = tuned
        return self

    def __call__(self) -> None:
        self._ours.send(None)
        self._ours.recv()

    def __exit__(self, *_: object) -> None:
        self._process.kill()


def _serve_plain_steps(pipe) -> None:
    from lds_models.reference import plain

    model, images = _model_and_images()
    step = _step(plain(model), lambda: images.contiguous(), False)
    while True:
        pipe.recv()
        step()
        pipe.send(None)


def _model_and_images():
    import torch

    from lds_models.monet import MONet, MONetConfig

    torch.manual_seed(0)
    model = MONet(MONetConfig(lds_weight=0.5))
    return model, torch.rand(BATCH, 64, 64, 3).permute(0, 3, 1, 2).unsqueeze(1)


def data_rows() -> list[Row]:
    """Memory that 15,000 packed images with masks take, and the time to make a batch of them."""
    import numpy as np

    images = np.zeros((IMAGES, 64, 64, 3), np.uint8)
    masks = np.zeros((IMAGES, 64, 64), np.uint8)
    (batch,) = interleaved_medians([_batches(images)], rounds=200)
    return [
        Row("data/packed_15000_images", (images.nbytes + masks.nbytes) / 1e6, "MB"),
        Row("data/batch", 1e3 * batch, "ms"),
    ]


def _step(model, batch: Callable, bf16: bool) -> Callable[[], None]:
    import torch

    optimiser = torch.optim.RMSprop(model.parameters(), 3e-4)

    def step() -> None:
        images = batch()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            terms = model.loss(images)
        optimiser.zero_grad()
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()

    return step


def _lds(model) -> Callable[[], None]:
    """The LDS prior of one step alone, forward and backward: what it adds."""
    import torch

    from lds_models.lds_prior import lds_prior

    latents = torch.randn(BATCH, model.num_slots, model.config.latent_dim, requires_grad=True)
    return lambda: torch.autograd.grad(lds_prior(latents).mean(), latents)


def _batches(images) -> Callable:
    """Batches as training makes them: drawn from the packed images in memory, float in [0,1]."""
    import itertools

    import numpy as np

    from datasets.packing import PackedDataset
    from lds_models.training.batches import ImageBatches

    first_view = np.arange(0, len(images) + 1)
    packed = PackedDataset(images, first_view, None, {}, [], "bench", "train", "")
    batches, steps = ImageBatches(packed, BATCH, seed=0), itertools.count()
    return lambda: batches(next(steps)).images.float() / 255
