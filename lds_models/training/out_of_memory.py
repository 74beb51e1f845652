"""Memory that runs out in a step of training: which errors say so, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from lds_models.training.errors import TrainingError

CPU_WORDS = "can't allocate memory"  # in PyTorch's RuntimeError
SHOWN_REASON = 200


@contextmanager
def memory_told(checkpoint: Path, step: int, frugal: Sequence[str]) -> Iterator[None]:
    """Turns PyTorch's errors of memory into one that says what to do.

    Args:
        checkpoint: the run's, which need not be there.
        frugal: settings that would take less memory, and that a run may go on with.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and CPU_WORDS not in str(error):
            raise
        reason = " ".join(str(error).split())[:SHOWN_REASON]
        remedy = _remedy(" or ".join(frugal), checkpoint.exists())
        raise TrainingError(f"{checkpoint.parent}: memory ran out in step {step} ({reason}); {remedy}") from error


def _remedy(frugal: str, resumable: bool) -> str:
    lower = "a lower batch_size" + (" and another --out" if resumable else "")
    if not frugal:
        return f"start again with {lower}"
    if resumable:
        return f"the last checkpoint is good: --resume with {frugal}, or start again with {lower}"
    return f"start again with {lower} or with {frugal}"
