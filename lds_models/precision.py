"""Number formats: which one training runs in, and where more digits are needed than it has."""

from __future__ import annotations

import os
import warnings
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["bf16-mixed", "32-true"]  # by Fabric's names


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or as it is where it has more: for likelihoods, KLs and whatever sums over pixels."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def training_precision(wanted: str) -> Precision:
    """What `precision` in an experiment comes to here: `auto` is the best one. Warns of a format that is emulated."""
    best = best_precision()
    formats: dict[str, Precision] = {"auto": best, "bf16-mixed": "bf16-mixed", "32-true": "32-true"}
    if wanted == "bf16-mixed" != best:
        warnings.warn(
            "this processor does not compute in bf16 and emulates it, which is slower than float32: use precision=auto",
            stacklevel=2,
        )
    return formats[wanted]


def number_format(tensor: Tensor) -> torch.dtype:
    """The number format that operations on the tensor are to run in: autocast's, where it is on."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def best_precision() -> Precision:
    """bf16 where the hardware computes it, float32 elsewhere (emulated bf16 is slower than float32)."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    # The flags are the processor's; oneDNN, which computes, may be kept from using it all (ONEDNN_MAX_CPU_ISA).
    native = cpu_flags() & {"amx_bf16", "avx512_bf16"} and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if native else "32-true"


def cpu_flags() -> set[str]:
    """What the processor can do, by the names of /proc/cpuinfo; none where there is no such file."""
    if not os.path.exists("/proc/cpuinfo"):
        return set()
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        return next((set(line.split()) for line in file if line.startswith("flags")), set())
