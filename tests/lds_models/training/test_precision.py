"""Number formats on processors that lack some: a slower run, never a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tiny_runs import experiment_file, packed_squares_file, values

# What PyTorch and oneDNN read to pretend to be on a processor without AVX-512 and AMX.
OLD_PROCESSOR = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}

PROGRAM = """
import sys, warnings
from pathlib import Path
from lds_models.precision import training_precision
from lds_models.registry import MODELS
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train

warnings.simplefilter("always")
assert training_precision("auto") == "32-true"
folder = Path(sys.argv[1])
for precision in ("auto", "bf16-mixed"):
    for model in MODELS:
        with warnings.catch_warnings(record=True) as caught:
            train(load_experiment(f"{folder}/{model}.yaml", [f"precision={precision}"]), folder / precision / model)
        warned = any("does not compute in bf16" in str(warning.message) for warning in caught)
        assert warned == (precision == "bf16-mixed"), (precision, caught)
"""


def test_every_model_trains_in_both_formats_on_a_processor_without_bf16(tmp_path: Path) -> None:
    from lds_models.registry import MODELS

    data = packed_squares_file(tmp_path / "squares.h5")
    for model in MODELS:
        experiment_file(tmp_path, data, model, steps=3)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env=os.environ | OLD_PROCESSOR, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    for model in MODELS:
        full, emulated = (values(tmp_path / precision / model)[1, "total"] for precision in ("auto", "bf16-mixed"))
        assert abs(emulated - full) < 0.02 * abs(full)
