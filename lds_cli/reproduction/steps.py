"""A step of a reproduction: one command line of `lds`, what it writes, and what it needs."""

from __future__ import annotations

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

Experiment = tuple[str, tuple[str, ...]]  # of a training: the preset, and the settings that replace the preset's


@dataclass(frozen=True)
class Step:
    """One command line.

    Attributes:
        name: its own within the output folder, and good for a file's name.
        kind: what it does: synth, train, eval or compare.
        arguments: what follows `lds`.
        folder: what it writes.
        settings: the content of a file that the arguments only name, and the digest of data that no step makes.
        needs: steps whose folders it reads.
        finished: a file in the folder that appears whole and last, where the command refuses to be run once more.
        experiment: for a training, what is trained.
        images: for an evaluation, how many are measured at most (None: unknown), for a synthesis, how many are made.
        samples: for an evaluation with the inference gap, of each image.
    """

    name: str
    kind: str
    arguments: tuple[str, ...]
    folder: Path
    settings: str = ""
    needs: tuple[Step, ...] = ()
    finished: str | None = None
    experiment: Experiment | None = None
    images: int | None = None
    samples: int = 0

    @property
    def group(self) -> str:
        """What it is shown under, in short: its kind, and the model, if it has to do with one."""
        return self.kind if self.trained is None else f"{self.kind} {self.trained[0].split('_')[1]}"

    @property
    def trained(self) -> Experiment | None:
        """The training that it is, or that it needs first."""
        return next((step.experiment for step in (self, *self.needs) if step.experiment), None)

    @property
    def command(self) -> str:
        """What to type to do just this."""
        return shlex.join(["lds", *self.arguments])

    def digest(self, out: Path) -> str:
        """SHA-256 (hex) of all that its result depends on; `out` may be moved without changing it."""
        arguments = [argument.replace(str(out), "OUT") for argument in self.arguments]
        content = [arguments, self.settings, [need.digest(out) for need in self.needs]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
