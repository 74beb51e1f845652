"""What `.pre-commit-config.yaml` looks at, all of it: style and types."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy"])
def test_code_passes(tool):
    run = subprocess.run([sys.executable, "-m", *tool.split()], cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == 0, f"{tool}:\n{run.stdout}{run.stderr}"
