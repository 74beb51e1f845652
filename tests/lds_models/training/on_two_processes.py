"""Trains several experiments, one after another, in every process that torchrun starts, and writes down what comes.

    torchrun on_two_processes.py JOBS

JOBS is a JSON file, a list of {"experiment", "settings", "run", "resume", "spoil"}. With `spoil`, process 1 changes a
parameter of its model, unasked, after so many steps. Each process writes the messages of the errors that end its
trainings, or null, to JOBS.<rank>.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from unittest.mock import patch

import torch

from datasets.scene import DatasetError
from lds_models.registry import ConfigError
from lds_models.training.errors import TrainingError
from lds_models.training.experiment import load_experiment
from lds_models.training.loop import train
from lds_models.training.trainer import Trainer

RANK = int(os.environ["RANK"])


def run_job(experiment: str, settings: list[str], run: str, resume: bool = False, spoil: int = -1) -> str | None:
    do_step = Trainer.do_step

    def spoilt(trainer: Trainer, stop: bool) -> object:
        if trainer.step == spoil and RANK == 1:
            with torch.no_grad():
                next(trainer.model.parameters()).mul_(1.001)
        return do_step(trainer, stop)

    with patch.object(Trainer, "do_step", spoilt):
        try:
            train(load_experiment(experiment, settings), Path(run), resume)
        except (TrainingError, ConfigError, DatasetError) as error:
            return str(error)
    return None


if __name__ == "__main__":
    jobs = Path(sys.argv[1])
    messages = [run_job(**job) for job in json.loads(jobs.read_text())]
    Path(f"{jobs}.{RANK}").write_text(json.dumps(messages))
