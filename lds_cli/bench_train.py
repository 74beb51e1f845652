"""What `lds bench train` and `lds bench data` measure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from lds_cli.bench_process import Apart
from lds_cli.bench_rows import Row, interleaved_medians
from lds_cli.bench_steps import IMAGES, Workload, fast_step, lds_prior_alone, packed_batches, plain_step
from lds_cli.train import HUGE_PAGES

# The sizes that public implementations were measured at, and larger ones for memory.
ON_CPU = {
    "monet/train_step": Workload("monet", batch=16),
    "iodine/train_step": Workload("iodine", batch=4),
    "mulmon/train_step": Workload("mulmon", batch=2, views=10, observed=2),
    "genesis/train_step": Workload("genesis", batch=16),
    "iodine/train_step_batch_8": Workload("iodine", batch=8),
    "mulmon/train_step_batch_8": Workload("mulmon", batch=8, views=10, observed=6),
}
# The LDS paper's batches.
ON_CUDA = {
    "monet/train_step_batch_40": Workload("monet", batch=40, device="cuda"),
    "iodine/train_step_batch_8": Workload("iodine", batch=8, device="cuda"),
    "mulmon/train_step_batch_8": Workload("mulmon", batch=8, views=10, observed=6, device="cuda"),
    "genesis/train_step_batch_32": Workload("genesis", batch=32, device="cuda"),
}
MODELS = ("monet", "iodine", "mulmon", "genesis")


def train_rows(
    models: Sequence[str] = MODELS, reference: bool = True, device: str = "cpu", rounds: int = 7
) -> Iterator[Row]:
    """Training steps of these models, each in a process of its own.

    Args:
        reference: with the plain formulation's step beside it. On a CPU the larger batches go without: their rows are
            about memory.
    """
    for name, workload in (ON_CPU if device == "cpu" else ON_CUDA).items():
        if workload.model in models:
            compared = reference and (device == "cuda" or name.endswith("train_step"))
            yield _train_row(name, workload, compared, rounds)
    if device == "cpu" and "monet" in models:
        yield from _monets_additions(rounds)


def _train_row(name: str, workload: Workload, reference: bool, rounds: int) -> Row:
    steps = [Apart(fast_step, workload)]
    if reference:
        steps.append(Apart(plain_step, workload, environment={HUGE_PAGES: None}))  # as PyTorch comes
    (fast, *slow), memory = _measure(steps, rounds)
    row = Row(name, 1e3 * fast, "ms", peak_memory_mb=memory)
    return replace(row, reference_median=1e3 * slow[0], ratio=slow[0] / fast) if reference else row


def _monets_additions(rounds: int) -> Iterator[Row]:
    """What LDS and making batches add to MONet's step."""
    workload = ON_CPU["monet/train_step"]
    steps = Apart(fast_step, workload), Apart(lds_prior_alone, workload), Apart(fast_step, workload, True)
    (fast, lds, fed), _ = _measure(steps, rounds)
    yield Row("monet/lds_prior", 1e3 * lds, "ms", 1e3 * fast, fast / lds)
    yield Row("monet/train_step_with_data", 1e3 * fed, "ms", 1e3 * fast, fast / fed)


def _measure(steps: Sequence[Apart], rounds: int) -> tuple[list[float], float]:
    """The median seconds of each step, taken in turns, and the first one's peak memory, MB."""
    with ExitStack() as stack:
        for step in steps:
            stack.enter_context(step)
        return interleaved_medians(steps, rounds, warm_up=1, settle=1), steps[0].peak_memory_mb()


def data_rows() -> list[Row]:
    """Memory that 15,000 packed images with masks take, and the time to make a batch of them."""
    batches, steps = packed_batches(batch=16), itertools.count()
    (seconds,) = interleaved_medians([lambda: batches(next(steps)).images.float() / 255], rounds=200)
    return [
        Row("data/packed_15000_images", IMAGES * 64 * 64 * (3 + 1) / 1e6, "MB"),
        Row("data/batch", 1e3 * seconds, "ms"),
    ]
