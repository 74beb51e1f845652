"""`lds reproduce`: the LDS paper's tables and figures, from data to pages, at any budget."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lds_cli.console import command_line, console, duration, made_folder, print_written

if TYPE_CHECKING:
    from lds_cli.reproduction.ledger import Ledger
    from lds_cli.reproduction.slurm import Cluster
    from lds_cli.reproduction.steps import Step


def reproduce(
    experiment: Annotated[
        str, typer.Argument(help="table1, figure3, table2, ablation, genesis or real.", show_default=False)
    ],
    budget: Annotated[str, typer.Option(help="smoke, cpu, paper, or a YAML file like theirs.")] = "smoke",
    out: Annotated[
        Path | None, typer.Option(help="Folder for everything.", show_default="runs/reproduce_BUDGET")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder that holds clevr_mv and dolphin; for real, a recorded dataset.",
            show_default="clevr_mv and dolphin are synthesised",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and all commands, and end.")] = False,
    slurm: Annotated[
        str | None, typer.Option(metavar="PARTITION", help="Run as jobs of a Slurm cluster.", show_default=False)
    ] = None,
    slurm_hours: Annotated[float, typer.Option(min=0.1, help="A job's time; longer trainings are queued anew.")] = 24,
    slurm_option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="More of sbatch's options, such as gres=gpu:1.")
    ] = None,
) -> None:
    """Reproduce an experiment of the LDS paper: synthesise, train, evaluate, compare, and make a page of it.

    Prints a plan first, with the hours that it will take here. Experiments in one folder share what they have in
    common. Stopped in whatever way, the same command goes on; a step that fails keeps only those back that need it.

    Example: lds reproduce table1 --budget smoke --out /tmp/smoke
    """
    from lds_cli.reproduction.budgets import load_budget
    from lds_cli.reproduction.experiments import EXPERIMENTS, comparable, compare_step, plan_experiment
    from lds_cli.reproduction.ledger import Ledger
    from lds_cli.reproduction.page import write_page

    loaded = load_budget(budget)
    budget_name = Path(budget).stem
    ledger = Ledger((out or Path("runs") / f"reproduce_{budget_name}").resolve())
    cluster = _cluster(slurm, slurm_hours, slurm_option or [])
    steps = plan_experiment(experiment, loaded, ledger.out, data and data.resolve())
    _show_plan(steps, ledger, f"{experiment} at the budget '{budget_name}' in {ledger.out}")
    if dry_run:
        for step in steps:
            console.print(step.command, soft_wrap=True, markup=False)
        return
    made_folder(ledger.out)
    failed = _run(steps, ledger, cluster)
    compare = None
    if evaluations := comparable(steps, ledger):
        compare = compare_step(experiment, evaluations, ledger.out)
        failed |= _run([compare], ledger, None)
    aim = " ".join((EXPERIMENTS[experiment].__doc__ or "").split())
    page = write_page(experiment, aim, budget_name, loaded, command_line(), data, steps, compare, failed, ledger)
    print_written(page)
    if failed:
        console.print(f"[red]{len(failed)} steps were not done[/]; the same command tries them again")
        raise typer.Exit(1)


def _cluster(partition: str | None, hours: float, options: list[str]) -> Cluster | None:
    from lds_cli.reproduction.slurm import Cluster

    if wrong := [option for option in options if "=" not in option]:
        raise typer.BadParameter(f"'{wrong[0]}' is not KEY=VALUE", param_hint="--slurm-option")
    return None if partition is None else Cluster(partition, hours, dict(option.split("=", 1) for option in options))


def _run(steps: Sequence[Step], ledger: Ledger, cluster: Cluster | None) -> dict[str, str]:
    """Why, for each step that was not done."""
    from lds_cli.reproduction.local import run_here
    from lds_cli.reproduction.slurm import run_on_cluster

    numbers = {step.name: number for number, step in enumerate(steps, 1)}

    def tell(step: Step, what: str) -> None:
        text = f"[{numbers[step.name]}/{len(steps)}] {step.name}: {what}"
        failed = not (what in ("begins", "done") or what.startswith("job "))
        console.print(text, markup=False, style="red" if failed else None, soft_wrap=True)

    try:
        return run_on_cluster(steps, ledger, cluster, tell) if cluster else run_here(steps, ledger, tell)
    except KeyboardInterrupt:
        how = "Jobs go on; the same command follows them" if cluster else "Stopped; the same command goes on"
        console.print(f"\n{how}")
        raise typer.Exit(130) from None


def _show_plan(steps: Sequence[Step], ledger: Ledger, title: str) -> None:
    """What is to be done, what is done, and the hours that the rest will take on this machine."""
    from rich import box
    from rich.table import Table

    from lds_cli.reproduction.estimate import estimate_seconds

    left = [step for step in steps if not ledger.is_done(step)]
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    with console.status("Measuring how long a step of training takes here") as status:
        seconds = estimate_seconds(left, lambda what: status.update(f"Measuring a training step of {what}"))
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in ("", "steps", "done", "one takes", "left"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for group in dict.fromkeys(step.group for step in steps):
        of_group = [step for step in steps if step.group == group]
        times = [seconds[step.name] for step in of_group if step.name in seconds]
        one = duration(max(times)) if times else "–"
        done = str(len(of_group) - len(times))
        table.add_row(group, str(len(of_group)), done, one, duration(sum(times)) if times else "–")
    console.print(table)
    where = "one after another on this machine"
    console.print(f"About {duration(sum(seconds.values()))} left, {where}; trainings by measured steps, others roughly")
    if left and load > cores:
        note = f"{load:.0f} processes share its {cores} cores: without them it would be faster"
        console.print(f"[yellow]note[/] the machine was busy when this was measured, {note}", soft_wrap=True)
