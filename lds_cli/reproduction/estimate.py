"""How long steps will take: trainings by a few real steps on this machine, the rest roughly."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lds_cli.bench_process import Apart
from lds_cli.reproduction.steps import Step

TIMED_STEPS = 3
VIEWS = 10
START_UP = 12.0  # seconds: loading PyTorch, reading the data, drawing the figures
RENDERING = 0.16  # seconds of one core that an image of a synthesised scene takes
SAMPLE_SHARE = 0.2  # of a training step's time, that decoding and weighing one more sample of the latents takes


def estimate_seconds(steps: Sequence[Step], progress: Callable[[str], None] = lambda what: None) -> dict[str, float]:
    """The seconds that each step will take, by its name; 0 for what takes no time to speak of.

    Args:
        progress: called with what is measured now.
    """
    paces: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for step in steps:
        if step.trained is not None:
            key, steps_left, images_a_step = _workload(*step.trained)
            if key not in paces:
                progress(step.trained[0])
                paces[key] = measure_step(*step.trained)
        images = step.images or 0
        if step.kind == "train":
            seconds[step.name] = START_UP + paces[key] * steps_left
        elif step.kind == "eval":
            seconds[step.name] = START_UP + images * paces[key] / images_a_step * (1 + SAMPLE_SHARE * step.samples)
        elif step.kind == "synth":
            seconds[step.name] = images * RENDERING / (os.cpu_count() or 1)
    return seconds


def measure_step(preset: str, settings: Sequence[str]) -> float:
    """Seconds of one training step on this machine, measured in a process of its own after a first that warms up."""
    with Apart(training_step, preset, list(settings)) as step:
        step()
        began = time.perf_counter()
        for _ in range(TIMED_STEPS):
            step()
        return (time.perf_counter() - began) / TIMED_STEPS


def training_step(preset: str, settings: list[str]) -> Callable[[], object]:
    """A step of training as `lds train` does it, on noise."""
    from lds_cli.train import ready_memory

    ready_memory()
    import logging

    import numpy as np

    from datasets.packing import PackedDataset
    from lds_models.mulmon import VIEWPOINT_DIMS
    from lds_models.precision import training_precision
    from lds_models.registry import build_model
    from lds_models.training.experiment import load_experiment
    from lds_models.training.replicas import Replicas
    from lds_models.training.trainer import Trainer

    experiment = load_experiment(preset, settings)
    model = build_model(experiment.model)
    rng, scenes = np.random.default_rng(0), experiment.batch_size
    images = rng.integers(0, 256, (scenes * VIEWS, model.image_size, model.image_size, 3), np.uint8)
    viewpoints = {kind: rng.normal(size=(len(images), size)).astype("f4") for kind, size in VIEWPOINT_DIMS.items()}
    names = [str(scene) for scene in range(scenes)]
    packed = PackedDataset(images, np.arange(scenes + 1) * VIEWS, None, viewpoints, names, "noise", "train", "")
    logging.disable(logging.INFO)  # Fabric would say each time which precision it uses
    nowhere = Path(tempfile.gettempdir()) / f"lds_pace_{os.getpid()}"
    trainer = Trainer(experiment, nowhere, model, packed, Replicas(training_precision(experiment.precision)))
    return lambda: trainer.do_step(stop=False)


def _workload(preset: str, settings: Sequence[str]) -> tuple[str, int, int]:
    """What decides over a training step's time, how many steps there are, and the images in one."""
    from lds_models.model import MultiViewModel
    from lds_models.registry import MODELS
    from lds_models.training.experiment import load_experiment

    experiment = load_experiment(preset, list(settings))
    model = {key: value for key, value in experiment.model.items() if not key.startswith("lds_")}
    sees_scenes = issubclass(MODELS[model["name"]][1], MultiViewModel)
    images = experiment.batch_size * (VIEWS if sees_scenes else 1)
    return json.dumps([model, experiment.batch_size], sort_keys=True), experiment.steps, images
