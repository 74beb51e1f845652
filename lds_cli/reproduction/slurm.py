"""Do steps as jobs of a Slurm cluster, each as soon as what it needs is done (submitit; the extra `slurm`).

The output folder must lie where all machines see it. submitit hands jobs over as pickles in OUT/slurm: let nobody else
write there.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.atomic import whole_file
from lds_cli.processes import stop
from lds_cli.reproduction.child import do_step
from lds_cli.reproduction.ledger import Ledger, ReproductionError
from lds_cli.reproduction.local import Tell, blocked
from lds_cli.reproduction.steps import Step

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job
    from submitit.helpers import DelayedSubmission

REQUEUES = 1000  # how often a job whose time is up may go on


@dataclass(frozen=True)
class Cluster:
    """Where jobs go.

    Attributes:
        hours: a job that takes longer is asked to stop, and queued once more; trainings go on from their checkpoint.
        options: more of sbatch's, such as {"gres": "gpu:1"}.
        kind: `slurm`, or `local` for processes on this machine (submitit's, for tests).
        poll: seconds between two looks at the jobs.
    """

    partition: str
    hours: float = 24.0
    options: dict[str, str] = field(default_factory=dict)
    kind: str = "slurm"
    poll: float = 10.0


class StepJob:
    """What a job does; submitit calls it on the machine that the job got."""

    def __init__(self, step: Step, out: Path) -> None:
        self.step, self.out = step, out
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        do_step(self.step, Ledger(self.out), self._started)

    def checkpoint(self) -> DelayedSubmission:
        """What to queue in its place; submitit asks when the job's time is up, or another wants its machine."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            stop(self._process)
        return DelayedSubmission(StepJob(self.step, self.out))

    def _started(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process


def run_on_cluster(
    steps: Sequence[Step], ledger: Ledger, cluster: Cluster, tell: Tell = lambda step, what: None
) -> dict[str, str]:
    """Submit steps, and wait for them. When this is interrupted jobs go on, and calling it again follows them.

    Returns:
        why, for each step that was not done, by its name.

    Raises:
        ReproductionError: submitit or Slurm is not there.
    """
    executor = _executor(ledger.out, cluster)
    failed: dict[str, str] = {}
    jobs: dict[str, Job] = {}
    left = [step for step in steps if not ledger.is_done(step)]
    while left:
        for step in list(left):
            if step.name in jobs:
                ended = jobs[step.name].done()  # asked first: a job writes its record before it ends
                if ledger.is_done(step):
                    left.remove(step)
                    tell(step, "done")
                elif ended:
                    failed[step.name] = _why(step, ledger, jobs[step.name])
            elif reason := blocked(step, failed):
                failed[step.name] = reason
            elif all(ledger.is_done(need) for need in step.needs):
                jobs[step.name] = _earlier_job(step, ledger, executor) or _submit(step, ledger, executor)
                tell(step, f"job {jobs[step.name].job_id}")
            if step.name in failed:
                left.remove(step)
                tell(step, failed[step.name])
        if left:
            time.sleep(cluster.poll)
    return failed


def _executor(out: Path, cluster: Cluster) -> AutoExecutor:
    try:
        import submitit
    except ImportError as error:
        raise ReproductionError(f"--slurm needs submitit: pip install 'lds_scenes[slurm]' ({error})") from error
    try:
        executor = submitit.AutoExecutor(out / "slurm", cluster=cluster.kind, slurm_max_num_timeout=REQUEUES)
    except RuntimeError as error:
        raise ReproductionError(f"--slurm: {error}; call it where sbatch is on the path") from error
    executor.update_parameters(timeout_min=round(cluster.hours * 60), slurm_partition=cluster.partition)
    if cluster.options:
        executor.update_parameters(slurm_additional_parameters=dict(cluster.options))
    return executor


def _submit(step: Step, ledger: Ledger, executor: AutoExecutor) -> Job:
    executor.update_parameters(name=step.name)
    job = executor.submit(StepJob(step, ledger.out))
    with whole_file(ledger.job(step)) as temporary:
        temporary.write_text(json.dumps({"job": job.job_id, "digest": step.digest(ledger.out)}))
    return job


def _earlier_job(step: Step, ledger: Ledger, executor: AutoExecutor) -> Job | None:
    """The job that an interrupted reproduction has submitted for this very step, where it has not ended."""
    try:
        note = json.loads(ledger.job(step).read_text())
    except FileNotFoundError:
        return None
    job = executor._executor.job_class(executor.folder, note["job"])
    return job if note["digest"] == step.digest(ledger.out) and not job.done() else None


def _why(step: Step, ledger: Ledger, job: Job) -> str:
    record = ledger.record(step)
    told = record.error if record and record.error else f"its job ended as {job.state}"
    return f"{step.name} failed: {told} (see {ledger.log(step)} and {job.paths.stderr})"
