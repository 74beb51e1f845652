"""The index page of a reproduction: what was run, by which commands, on what, what came out, and what was not run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from datasets.page import page_template
from lds_cli.console import duration
from lds_cli.reproduction.budgets import Budget
from lds_cli.reproduction.ledger import Ledger
from lds_cli.reproduction.steps import Step

TEMPLATES = Path(__file__).parents[1] / "templates"
SHOWN_DIGEST = 12  # hexadecimal digits
PAPER = "paper"  # the budget with the paper's settings


def write_page(
    experiment: str, aim: str, budget_name: str, budget: Budget, command: str,
    data: Path | None, steps: Sequence[Step], compare: Step | None, failed: dict[str, str], ledger: Ledger,
) -> Path:  # fmt: skip
    """Write OUT/EXPERIMENT/index.html and index.json.

    Args:
        aim: what the experiment shows, in a sentence.
        data: the datasets that were given; None where they are synthesised.
        compare: the step that put the evaluations side by side, if there was one.
        failed: why, for each step that was not done.

    Returns:
        the page.
    """
    folder = ledger.out / experiment
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_row(step, failed, ledger, folder) for step in (*steps, *([compare] if compare else []))]
    content = {
        "experiment": experiment,
        "aim": aim,
        "budget": budget_name,
        "settings": asdict(budget),
        "data": str(data) if data else None,
        "command": command,
        "machine": f"{platform.node()}, {platform.machine()}, Python {platform.python_version()}",
        "written": f"{datetime.now():%Y-%m-%d %H:%M}",
        "steps": rows,
    }
    (folder / "index.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    done = [row for row in rows if row["state"] == "done"]
    page = folder / "index.html"
    template = page_template(TEMPLATES / "reproduction.html.j2", duration=duration, short=_short)
    page.write_text(
        template.render(
            **content,
            done=done,
            open=[row for row in rows if row["state"] != "done"],
            seconds=sum(row["seconds"] for row in done),
            comparison=rows[-1]["report"] if compare else None,
            is_paper=budget_name == PAPER,
        ),
        encoding="utf-8",
    )
    return page


def _row(step: Step, failed: dict[str, str], ledger: Ledger, folder: Path) -> dict[str, Any]:
    record = ledger.record(step)
    done = ledger.is_done(step)
    report = step.folder / "report.html"
    return {
        "name": step.name,
        "kind": step.kind,
        "state": "done" if done else "failed" if record and record.state == "failed" else "not run",
        "why": "" if done else failed.get(step.name, "not reached yet"),
        "seconds": record.seconds if record else 0.0,
        "command": step.command,
        "log": _relative(ledger.log(step), folder) if record else None,
        "report": _relative(report, folder) if done and report.exists() else None,
        "digests": _digests(step) if done else {},
    }


def _digests(step: Step) -> dict[str, str]:
    """What identifies the result: of the weights' parameters and of the data, as the evaluation found them."""
    if step.kind != "eval":
        return {}
    document = json.loads((step.folder / "metrics.json").read_text(encoding="utf-8"))
    return {"weights": document["weights_digest"], "data": document["data_digest"]}


def _short(digest: str) -> str:
    return digest[:SHOWN_DIGEST]


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
