"""Which runs belong together: pairs without and with LDS, and settings of LDS that an ablation compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lds_models.comparison.runs import CompareError, EvaluatedRun, data_labels
from lds_models.lds_prior import LDSConfig

DEFAULT_SIGMA = LDSConfig.lds_std


@dataclass(frozen=True)
class Pair:
    """Two models that differ in the LDS prior alone, trained with one seed and measured on the same images."""

    control: EvaluatedRun
    lds: EvaluatedRun


@dataclass(frozen=True)
class Group:
    """One model on one dataset: a pair for each seed, all measured on the same images."""

    label: str  # such as MONet, or MONet, K = 9 where there are several
    data: str  # see `data_labels`
    pairs: tuple[Pair, ...]

    @property
    def runs(self) -> list[EvaluatedRun]:
        return [run for pair in self.pairs for run in (pair.control, pair.lds)]

    @property
    def first(self) -> Pair:
        return self.pairs[0]

    @property
    def seeds(self) -> list[int]:
        return [pair.control.seed for pair in self.pairs]

    def has(self, column: str) -> bool:
        return all(column in run.columns for run in self.runs)

    def values(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """A column of the images without and with LDS, each [seeds,N]."""
        control = np.stack([pair.control.columns[column] for pair in self.pairs])
        return control, np.stack([pair.lds.columns[column] for pair in self.pairs])


@dataclass(frozen=True)
class Ablation:
    """Runs with LDS of one model on one dataset, at several settings.

    Attributes:
        by_sigma: LDS's sigma -> runs, with K as in most of them; empty where there is only one sigma.
        by_slots: K in training, K in testing -> runs, at the usual sigma; empty where there is only one.
    """

    label: str
    data: str
    by_sigma: dict[float, list[EvaluatedRun]]
    by_slots: dict[tuple[int, int], list[EvaluatedRun]]

    @property
    def settings(self) -> list[list[EvaluatedRun]]:
        """The runs at each setting, those of other seeds together."""
        return [*self.by_sigma.values(), *self.by_slots.values()]

    @property
    def runs(self) -> list[EvaluatedRun]:
        """Each of its runs once."""
        runs = [run for same in self.settings for run in same]
        return list({id(run): run for run in runs}.values())


def pair_runs(runs: Sequence[EvaluatedRun]) -> tuple[list[Group], list[Ablation]]:
    """Sort runs into groups of pairs, and into ablations.

    Raises:
        CompareError: two runs are the same, a run has no counterpart, or a pair was measured on different images.
    """
    _refuse_repeated(runs)
    groups, ablations, paired = [], [], []
    labels = data_labels(runs)
    for (_, data), same in _by(runs, lambda run: (run.config.name, run.data)).items():
        of_model = _groups(same, labels[data])
        groups += of_model
        paired += [run for group in of_model for run in group.runs]
        ablation = _ablation(same, labels[data])
        if ablation:
            ablations.append(ablation)
            paired += ablation.runs
    alone = [run for run in runs if not any(run is other for other in paired)]
    if alone:
        raise CompareError(_without_counterpart(alone[0], runs))
    for group in groups:
        _require_same_evaluation(group.runs)
    return groups, ablations


def _groups(runs: Sequence[EvaluatedRun], data: str) -> list[Group]:
    """Groups of one model on the dataset of this label: one for each K."""
    by_slots = _by(runs, lambda run: (run.trained_slots, run.slots))
    groups = []
    for (trained, _), same in by_slots.items():
        pairs = []
        for of_seed in _by(same, lambda run: run.seed).values():
            controls = [run for run in of_seed if not run.has_lds]
            usual = sorted((run for run in of_seed if run.has_lds), key=_far_from_usual)
            if controls and usual:
                pairs.append(Pair(controls[0], usual[0]))
        if pairs:
            label = pairs[0].lds.model + (f", K = {trained}" if len(by_slots) > 1 else "")
            label += pairs[0].lds.tested_with
            groups.append(Group(label, data, tuple(sorted(pairs, key=lambda p: p.control.seed))))
    return groups


def _ablation(runs: Sequence[EvaluatedRun], data: str) -> Ablation | None:
    with_lds = [run for run in runs if run.has_lds]
    if not with_lds:
        return None
    slots = _by(with_lds, lambda run: (run.trained_slots, run.slots))
    most = max((key for key in slots if key[0] == key[1]), key=lambda key: len(slots[key]), default=None)
    by_sigma = _by(slots.get(most, []), lambda run: run.config.lds_std)
    by_slots = _by([run for run in with_lds if not _far_from_usual(run)], lambda run: (run.trained_slots, run.slots))
    by_sigma, by_slots = (dict(sorted(found.items())) if len(found) > 1 else {} for found in (by_sigma, by_slots))
    if not by_sigma and not by_slots:
        return None
    _require_same_evaluation(with_lds)
    return Ablation(with_lds[0].model, data, by_sigma, by_slots)


def _far_from_usual(run: EvaluatedRun) -> float:
    return abs(run.config.lds_std - DEFAULT_SIGMA)


def _refuse_repeated(runs: Sequence[EvaluatedRun]) -> None:
    def identity(run: EvaluatedRun) -> tuple:
        return (run.config.name, run.data, run.seed, run.has_lds, run.config.lds_std, run.trained_slots, run.slots)

    for same in _by(runs, identity).values():
        if len(same) > 1:
            raise CompareError(
                f"{same[0].folder} and {same[1].folder} are both {_described(same[0])}; give one of them"
            )


def _without_counterpart(run: EvaluatedRun, runs: Sequence[EvaluatedRun]) -> str:
    message = f"{run.folder}: {_described(run)} has no counterpart {'without' if run.has_lds else 'with'} LDS"
    for other in runs:
        if other.config.name == run.config.name and other.has_lds != run.has_lds:
            if other.data != run.data:
                return (
                    f"{message}: {other.folder} was evaluated on other data ({_data(other)}); run `lds eval` of both "
                    "with the same --data and --split"
                )
            if other.seed != run.seed:
                return f"{message}: {other.folder} was trained with seed {other.seed}; give pairs of the same seed"
            return f"{message}: {other.folder} has another K or is of another pair; give pairs of the same K"
    return f"{message}; give folders in pairs"


def _require_same_evaluation(runs: Sequence[EvaluatedRun]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.images != first.images:
            raise CompareError(
                f"{first.folder} and {run.folder} were evaluated on different images ({len(first.images)} and "
                f"{len(run.images)}); run `lds eval` of both with the same --limit"
            )
        for option in ("observe", "gap_samples"):
            values = [r.document.get(option) for r in (first, run)]
            if values[0] != values[1] and None not in values:
                raise CompareError(
                    f"{first.folder} and {run.folder} were evaluated with --{option.replace('_', '-')} {values[0]} and "
                    f"{values[1]}; run `lds eval` of both with the same"
                )
        if not np.array_equal(first.shown_views, run.shown_views):
            raise CompareError(
                f"{first.folder} and {run.folder} were shown different views; run `lds eval` of both with "
                "the same --seed"
            )


def _described(run: EvaluatedRun) -> str:
    return f"{run.name} with K = {run.slots}, seed {run.seed}, on {_data(run)}"


def _data(run: EvaluatedRun) -> str:
    return f"{run.document['data']}, split {run.document['split']}, digest {run.document['data_digest'][:8]}"


def _by(runs: Iterable[EvaluatedRun], key: Callable[[EvaluatedRun], Any]) -> dict[Any, list[EvaluatedRun]]:
    found: dict[Any, list[EvaluatedRun]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return found
