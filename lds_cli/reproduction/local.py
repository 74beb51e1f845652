"""Do steps on this machine, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lds_cli.reproduction.child import do_step
from lds_cli.reproduction.ledger import Ledger, ReproductionError
from lds_cli.reproduction.steps import Step

Tell = Callable[[Step, str], None]  # a step, and what becomes of it: begins, done, or why not


def run_here(steps: Sequence[Step], ledger: Ledger, tell: Tell = lambda step, what: None) -> dict[str, str]:
    """Do all steps that are not done. Where one fails, those that do not need it go on.

    Returns:
        why, for each step that was not done, by its name.
    """
    failed: dict[str, str] = {}
    for step in steps:
        if ledger.is_done(step):
            continue
        if reason := blocked(step, failed):
            failed[step.name] = reason
        else:
            tell(step, "begins")
            try:
                do_step(step, ledger)
            except ReproductionError as error:
                failed[step.name] = str(error)
        tell(step, failed.get(step.name, "done"))
    return failed


def blocked(step: Step, failed: dict[str, str]) -> str | None:
    """Why a step cannot be done, where something that it needs was not."""
    missing = [need.name for need in step.needs if need.name in failed]
    return f"not run, since it needs {', '.join(missing)}" if missing else None
