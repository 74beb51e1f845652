"""`lds train`: train a model from a preset or a YAML file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import command_line, console, print_written

if TYPE_CHECKING:
    from lds_models.training.experiment import DataConfig

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # an environment variable that PyTorch reads when it starts


def train(
    experiment: Annotated[str, typer.Argument(help="A preset's name or a YAML file.", show_default=False)],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the file's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/EXPERIMENT_seedN")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
) -> None:
    """Train a model. The run's folder gets its curves, checkpoints and, at the end, weights.safetensors.

    A run that was stopped, even by kill -9, goes on with --resume as if it had not been. Watch it with
    `tensorboard --logdir runs`.

    Example: lds train table_monet_lds data.path=/tmp/table steps=2000

    On several processes: torchrun --nproc-per-node 2 --no-python lds train ... (docs/training.md).
    """
    ready_memory()
    console.quiet = os.environ.get("RANK", "0") != "0"  # torchrun's number of the process: one of them speaks
    from lds_models.training.experiment import load_experiment
    from lds_models.training.loop import train as run_training

    loaded = load_experiment(experiment, settings or [])
    run = out or Path("runs") / f"{Path(experiment).stem}_seed{loaded.seed}"
    command = command_line()
    console.print(f"Training {loaded.model.get('name')} for {loaded.steps} steps in {run}", markup=False)
    with _training_bar(loaded.steps) as progress:
        try:
            weights = run_training(loaded, run, resume, command, progress)
        except KeyboardInterrupt:
            again = command if resume else f"{command} --resume"
            console.print(f"\nStopped; the state is kept. Go on with: {again}", markup=False, soft_wrap=True)
            raise typer.Exit(130) from None
    print_written(weights, f". Evaluate it: {_evaluation(run, loaded.data)}")


def _evaluation(run: Path, data: DataConfig) -> str:
    """The command that evaluates a run: on what was held out, or where nothing was on what was trained on."""
    held_out = data.validation_path or data.path, data.validation_split
    path, split = held_out if data.validation_split else (data.path, data.split)
    return shlex.join(["lds", "eval", str(run), "--data", path, "--split", str(split), "--out", str(run / "eval")])


def ready_memory() -> None:
    """Let big tensors keep their memory between steps, in huge pages: fresh 4 kB pages cost a third of a CPU step."""
    import ctypes

    os.environ.setdefault(HUGE_PAGES, "1")
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    trim_threshold, mmap_max = -1, -4  # from malloc.h
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)


@contextmanager
def _training_bar(steps: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Yields training's progress callback."""
    from rich import progress as rich

    times = rich.TimeRemainingColumn(elapsed_when_finished=True)
    columns = (rich.BarColumn(10), rich.MofNCompleteColumn(), times, rich.TextColumn("{task.description}"))
    with rich.Progress(*columns, console=console, refresh_per_second=2) as bar:
        task = bar.add_task("reading the data", total=steps)

        def show(step: int, row: dict[str, float]) -> None:
            bar.update(task, completed=step, description=_in_short(row) if row else "")

        yield show


def _in_short(row: dict[str, float]) -> str:
    """A row of metrics in the width that a terminal of 80 columns leaves."""
    pace, memory = row["images_per_second"], row["memory_mb"] / 1024
    return f"total {row['total']:.4g}  lds {row['lds']:.3g}  {pace:.3g} img/s  {memory:.1f} GB"
