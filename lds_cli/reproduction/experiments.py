"""The paper's experiments as lists of steps. What two experiments share has the same name, and is done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from datasets.loading import open_dataset
from lds_cli.reproduction.budgets import Budget
from lds_cli.reproduction.ledger import Ledger
from lds_cli.reproduction.steps import Step
from lds_models.presets import presets_folder
from lds_models.registry import ConfigError

VARIANTS = ("base", "lds")
DATASETS = ("clevr_mv", "dolphin")
COMPARED = ("monet", "iodine", "mulmon")
PAPER_SIGMA = 0.1


class Planner:
    """Collects the steps of an experiment, each one after those that it needs.

    Args:
        out: folder for everything.
        data: for `real`, the dataset; otherwise a folder that holds clevr_mv and dolphin, which else are synthesised.
    """

    def __init__(self, budget: Budget, out: Path, data: Path | None) -> None:
        self.budget, self.out, self.data = budget, out, data
        self._steps: dict[str, Step] = {}
        self._digests: dict[Path, str] = {}

    @property
    def steps(self) -> list[Step]:
        return list(self._steps.values())

    def dataset(self, name: str) -> tuple[Path, tuple[Step, ...]]:
        """Where a dataset of the paper lies, and the step that puts it there, if one does."""
        if self.data is not None:
            path = self.data / name
            if not path.is_dir():
                raise ConfigError(f"--data {self.data}: holds no folder '{name}'; leave --data away to synthesise it")
            return path, ()
        scenes, views = self.budget.scenes[name], self.budget.views
        # Which dataset it is goes into the seed, so that the two do not show the same arrangements.
        seed = DATASETS.index(name)
        path = self.out / "data" / name
        how = ("--scenes", f"{scenes}", "--views", f"{views}", "--seed", f"{seed}", "--format", "h5")
        step = Step(
            f"synth_{name}", "synth", ("data", "synth", name, str(path), *how), path,
            finished="dataset.json", images=scenes * views,
        )  # fmt: skip
        return path, (self._add(step),)

    def train(
        self, data: Path, needs: Sequence[Step], model: str, variant: str, seed: int,
        extra: str = "", settings: Sequence[str] = (),
    ) -> Step:  # fmt: skip
        """Train a model; `extra` names what is other than usual."""
        preset = f"{self.budget.presets}_{model}_{variant}"
        name = "_".join(part for part in (data.name, model, variant, extra, f"seed{seed}") if part)
        folder = self.out / "runs" / name
        of_budget = [*self.budget.settings, *self.budget.model_settings.get(model, [])]
        how = (f"data.path={data}", f"seed={seed}", *of_budget, *settings)
        arguments = ("train", preset, *how, "--out", str(folder), "--resume")
        text = (presets_folder() / f"{preset}.yaml").read_text(encoding="utf-8") + self._given(data)
        return self._add(
            Step(f"train_{name}", "train", arguments, folder, text, tuple(needs), experiment=(preset, how))
        )

    def evaluate(
        self, run: Step, data: Path, split: str = "test", scenes: int | None = None,
        slots: int | None = None, gap: bool = False,
    ) -> Step:  # fmt: skip
        """Measure a training, on all scenes or the first ones, with as many slots as in training or others."""
        budget = self.budget
        parts = {f"first{scenes}": scenes, f"k{slots}": slots, "gap": gap}
        name = "_".join([run.folder.name, *(part for part, wanted in parts.items() if wanted)])
        folder = self.out / "eval" / name
        more: list[str] = []
        if scenes:
            more += ["--limit", f"{scenes}"]
        if slots:
            more += ["--slots", f"{slots}"]
        if gap:
            more += ["--inference-gap", "--gap-samples", f"{budget.gap_samples}"]
        arguments = ("eval", str(run.folder), "--data", str(data), "--split", split, "--out", str(folder), *more)
        at_most = scenes or (max(1, budget.scenes[data.name] // 10) if run.needs else None)
        images, samples = at_most and at_most * budget.views, budget.gap_samples if gap else 0
        return self._add(Step(f"eval_{name}", "eval", arguments, folder, "", (run,), images=images, samples=samples))

    def _given(self, data: Path) -> str:
        """The digest of a dataset that no step makes: scenes may be recorded, or dropped, between two calls."""
        if self.data is None:
            return ""
        if data not in self._digests:
            self._digests[data] = open_dataset(data).digest()
        return self._digests[data]

    def _add(self, step: Step) -> Step:
        return self._steps.setdefault(step.name, step)


def table1(plan: Planner) -> None:
    """MSE and mIoU of three models with and without LDS on both datasets."""
    for seed in plan.budget.seeds:
        for name in DATASETS:
            data, needs = plan.dataset(name)
            for model in COMPARED:
                for variant in VARIANTS:
                    run = plan.train(data, needs, model, variant, seed, settings=_slots(plan.budget.slots))
                    plan.evaluate(run, data, scenes=plan.budget.test_scenes[name])


def figure3(plan: Planner) -> None:
    """Similarity of latents and share of images with duplicates, of the same models on CLE-MV's test scenes."""
    data, needs = plan.dataset("clevr_mv")
    for seed in plan.budget.seeds:
        for model in COMPARED:
            for variant in VARIANTS:
                plan.evaluate(plan.train(data, needs, model, variant, seed, settings=_slots(plan.budget.slots)), data)


def table2(plan: Planner) -> None:
    """How much LDS narrows MONet's inference gap, and whether that goes with better pictures and masks."""
    data, needs = plan.dataset("clevr_mv")
    for seed in plan.budget.seeds:
        for variant in VARIANTS:
            run = plan.train(data, needs, "monet", variant, seed, settings=_slots(plan.budget.slots))
            plan.evaluate(run, data, scenes=plan.budget.gap_scenes, gap=True)


def ablation(plan: Planner) -> None:
    """MONet with LDS on CLE-MV: other sigmas, and other numbers of slots in training and in testing (C.1)."""
    data, needs = plan.dataset("clevr_mv")
    budget = plan.budget
    scenes = budget.test_scenes["clevr_mv"]
    for seed in budget.seeds:
        for sigma in budget.sigmas:
            usual = sigma == PAPER_SIGMA
            settings = [*_slots(budget.slots), *([] if usual else [f"model.lds_std={sigma:g}"])]
            extra = "" if usual else f"sigma{sigma:g}"
            plan.evaluate(plan.train(data, needs, "monet", "lds", seed, extra, settings), data, scenes=scenes)
        for slots in budget.train_slots:
            extra = "" if slots == budget.slots else f"k{slots}"
            run = plan.train(data, needs, "monet", "lds", seed, extra, _slots(slots))
            for others in budget.test_slots:
                plan.evaluate(run, data, scenes=scenes, slots=None if others == slots else others)


def genesis(plan: Planner) -> None:
    """GENESIS on CLE-MV (C.2). The paper tried it without LDS; with LDS is ours."""
    data, needs = plan.dataset("clevr_mv")
    for seed in plan.budget.seeds:
        for variant in VARIANTS:
            run = plan.train(data, needs, "genesis", variant, seed, settings=_slots(plan.budget.slots))
            plan.evaluate(run, data, scenes=plan.budget.test_scenes["clevr_mv"])


def real(plan: Planner) -> None:
    """MONet on recorded scenes (C.3), with the preset's number of slots."""
    if plan.data is None:
        raise ConfigError("which recorded dataset? Give it by --data FOLDER, such as what `lds capture record` wrote")
    splits = open_dataset(plan.data).splits
    # Recordings of fewer than ten scenes have nothing held out.
    trained_on = "train" if "train" in splits else next(iter(splits))
    held_out = "test" if "test" in splits else trained_on
    settings = [f"data.split={trained_on}", f"data.validation_split={held_out}"]
    for seed in plan.budget.seeds:
        for variant in VARIANTS:
            run = plan.train(plan.data, (), "monet", variant, seed, settings=settings)
            plan.evaluate(run, plan.data, held_out)


EXPERIMENTS: dict[str, Callable[[Planner], None]] = {
    experiment.__name__: experiment for experiment in (table1, figure3, table2, ablation, genesis, real)
}


def plan_experiment(name: str, budget: Budget, out: Path, data: Path | None) -> list[Step]:
    """The steps of an experiment, in an order in which they can be done.

    Raises:
        ConfigError: the experiment is unknown, or `data` does not hold what it needs.
        DatasetError: a dataset that is given is none, or a file of it cannot be read.
    """
    if name not in EXPERIMENTS:
        raise ConfigError(f"no experiment '{name}'; choose from {', '.join(EXPERIMENTS)}")
    plan = Planner(budget, out, data)
    EXPERIMENTS[name](plan)
    return plan.steps


def comparable(steps: Sequence[Step], ledger: Ledger) -> list[Step]:
    """The evaluations that are done, but for those whose counterpart, without or with LDS, is not."""
    evaluations = [step for step in steps if step.kind == "eval"]
    open_pairs = {_pair(step) for step in evaluations if not ledger.is_done(step)}
    return [step for step in evaluations if _pair(step) not in open_pairs]


def _pair(step: Step) -> str:
    """What an evaluation has in common with its counterpart."""
    run, _, how = step.name.rpartition("seed")
    return run.replace("_base_", "_").replace("_lds_", "_") + how


def compare_step(experiment: str, evaluations: Sequence[Step], out: Path) -> Step:
    """Put evaluations that are done on one page."""
    folder = out / experiment / "comparison"
    arguments = ("compare", *(str(step.folder) for step in evaluations), "--out", str(folder))
    return Step(f"compare_{experiment}", "compare", arguments, folder, needs=tuple(evaluations))


def _slots(count: int) -> list[str]:
    return [f"model.num_slots={count}"]
