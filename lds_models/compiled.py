"""kernels.cpp, compiled for this machine's processor when it is first wanted, and kept in the cache folder."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from ctypes import c_float, c_int, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from datasets.atomic import sync
from datasets.packing import cache_folder
from lds_models.precision import cpu_flags

SOURCE = Path(__file__).with_name("kernels.cpp")
OPTIONS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-Wno-psabi")


class Shape(ctypes.Structure):
    """Of an image [B,C,H,W] laid out channels last, and how many threads share the work."""

    _fields_ = [("images", c_int64), ("pixels", c_int64), ("channels", c_int64), ("threads", c_int)]

    @classmethod
    def of(cls, x: Tensor) -> Shape:
        images, channels, height, width = x.shape
        return cls(images, height * width, channels, torch.get_num_threads())


TENSOR = c_void_p
ARGUMENTS = {
    "activate": [TENSOR, c_int64, c_float, c_int],
    "activate_backward": [TENSOR] * 4 + [Shape, c_float],
    "head_backward": [TENSOR] * 7 + [Shape, c_int, c_float],
    "norm_relu": [TENSOR] * 6 + [Shape, c_float],
    "norm_relu_backward": [TENSOR] * 9 + [Shape],
    "join": [TENSOR] * 3 + [Shape, c_int64, c_int64],
    "join_backward": [TENSOR] * 3 + [Shape, c_int64, c_int64],
}


def kernel(name: str, x: Tensor) -> Callable | None:
    """A function of kernels.cpp for tensors such as x; None where PyTorch has to do it.

    That is: on a GPU, in other number formats than bf16 and float32, while a graph is recorded (for export), and
    where nothing can be compiled.
    """
    if x.device.type != "cpu" or x.dtype not in (torch.bfloat16, torch.float32):
        return None
    if torch.jit.is_tracing() or torch.compiler.is_compiling() or not (library := _library()):
        return None
    return getattr(library, f"{name}_{str(x.dtype).removeprefix('torch.')}")


def call_kernel(name: str, x: Tensor, *arguments: object) -> None:
    """Call a function of kernels.cpp for tensors such as x, of which `kernel` has said that there is one.

    Raises:
        RuntimeError: there is none.
    """
    function = kernel(name, x)
    if function is None:
        raise RuntimeError(f"{SOURCE.name} has no {name} for {x.dtype} tensors on {x.device}")
    function(*arguments)


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(_compiled()))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or str(error)
        warnings.warn(
            f"{SOURCE.name} cannot be compiled, so that training is slower; install g++ (apt-get install g++), or name "
            f"another compiler in CXX: {reason.strip().splitlines()[0]}",
            stacklevel=2,
        )
        return None
    for name, arguments in ARGUMENTS.items():
        for dtype in ("float32", "bfloat16"):
            getattr(library, f"{name}_{dtype}").argtypes = arguments
            getattr(library, f"{name}_{dtype}").restype = None
    return library


def _compiled() -> Path:
    """The library's file, which is this source's, compiler's and processor's own."""
    command = [os.environ.get("CXX", "g++"), *OPTIONS]
    source = SOURCE.read_bytes()
    known_by = hashlib.sha256(source + " ".join([*command, *sorted(cpu_flags())]).encode()).hexdigest()[:16]
    path = cache_folder() / f"kernels_{known_by}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            subprocess.run([*command, "-o", made, SOURCE], check=True, capture_output=True, text=True)
            sync(made)
            made.replace(path)  # whole or not at all: other processes may be at it too
    return path
