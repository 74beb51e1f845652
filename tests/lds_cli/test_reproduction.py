"""Reproductions as steps: what is planned, what is done again and what is not, what a failure keeps back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from datasets.dataset_index import write_dataset_index
from datasets.recorded import write_scene
from datasets.scene import Scene
from lds_cli.reproduction import ledger as ledger_module
from lds_cli.reproduction.budgets import load_budget
from lds_cli.reproduction.child import do_step
from lds_cli.reproduction.experiments import EXPERIMENTS, comparable, plan_experiment
from lds_cli.reproduction.ledger import Ledger, ReproductionError
from lds_cli.reproduction.local import run_here
from lds_cli.reproduction.slurm import Cluster, run_on_cluster
from lds_cli.reproduction.steps import Step
from lds_models.presets import config_folder
from lds_models.registry import ConfigError
from lds_models.training.experiment import load_experiment

BUDGETS = sorted(path.stem for path in (config_folder() / "reproduction").glob("*.yaml"))


def recorded_squares(folder: Path, scenes: int = 2) -> Path:
    """A dataset of recorded scenes, all of them in both splits."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = {}
    for index in range(scenes):
        masks = np.zeros((3, 16, 16), np.uint8)
        masks[:, 4:10, 3 + index : 9 + index] = 1
        images = np.where(masks[..., None] > 0, rng.integers(0, 100, 3), 230).astype(np.uint8)
        write_scene(folder / f"scene_{index:06d}.h5", Scene(f"scene_{index}", images, masks=masks))
        files[f"scene_{index:06d}.h5"] = 3
    write_dataset_index(folder, folder.name, "drawn", files, {"train": list(files), "test": list(files)})
    return folder


def pack_step(out: Path, name: str, data: Path, size: int = 16, needs: tuple[Step, ...] = ()) -> Step:
    """A step that is done in a second: packs a dataset."""
    file = out / f"{name}.h5"
    return Step(name, "synth", ("data", "pack", str(data), str(file), "--size", str(size)), file, needs=needs)


def begins(ledger: Ledger, step: Step) -> int:
    """How often its command was started."""
    log = ledger.log(step)
    return log.read_text().count(f"$ {step.command}") if log.exists() else 0


class TestPlans:
    def test_table1_at_the_papers_budget_has_all_its_runs_with_the_papers_settings(self, tmp_path: Path) -> None:
        budget = load_budget("paper")
        steps = plan_experiment("table1", budget, tmp_path, None)
        kinds = [step.kind for step in steps]
        assert {kind: kinds.count(kind) for kind in set(kinds)} == {"synth": 2, "train": 60, "eval": 60}
        for step in steps:
            if step.kind == "train":
                experiment = load_experiment(step.experiment[0], list(step.experiment[1]))
                assert experiment.steps == 600_000 and experiment.model["num_slots"] == 7
        assert {budget.scenes[name] - budget.scenes[name] // 10 for name in budget.scenes} == {1500, 3000}
        limits = [step.arguments[-1] for step in steps if step.kind == "eval"]
        assert {limit: limits.count(limit) for limit in set(limits)} == {"160": 30, "200": 30}

    @pytest.mark.parametrize("name", BUDGETS)
    @pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name != "real"])
    def test_every_experiment_has_settings_that_can_be_trained_at_every_budget(
        self, tmp_path: Path, experiment: str, name: str
    ) -> None:
        steps = plan_experiment(experiment, load_budget(name), tmp_path, None)
        seen: set[str] = set()
        for step in steps:
            assert {need.name for need in step.needs} <= seen, "what a step needs comes before it"
            seen.add(step.name)
            if step.experiment:
                load_experiment(step.experiment[0], list(step.experiment[1]))

    def test_experiments_share_what_they_have_in_common(self, tmp_path: Path) -> None:
        budget = load_budget("paper")
        trainings = {
            name: {step for step in plan_experiment(name, budget, tmp_path, None) if step.kind == "train"}
            for name in ("table1", "figure3", "table2", "ablation")
        }
        assert trainings["table2"] < trainings["figure3"] < trainings["table1"]
        assert {step.name for step in trainings["ablation"] - trainings["table1"]} == {
            f"train_clevr_mv_monet_lds_{extra}_seed{seed}"
            for extra in ("sigma0.05", "sigma0.2", "sigma0.5", "k9")
            for seed in range(5)
        }

    def test_own_data_are_taken_instead_of_synthesised_ones(self, tmp_path: Path) -> None:
        for name in ("clevr_mv", "dolphin"):
            recorded_squares(tmp_path / name)
        steps = plan_experiment("table1", load_budget("smoke"), tmp_path / "out", tmp_path)
        assert not any(step.kind == "synth" for step in steps)
        assert f"data.path={tmp_path / 'dolphin'}" in steps[-2].arguments

    def test_what_cannot_be_planned_is_a_clear_error(self, tmp_path: Path) -> None:
        budget = load_budget("smoke")
        with pytest.raises(ConfigError, match="choose from table1, figure3"):
            plan_experiment("table7", budget, tmp_path, None)
        with pytest.raises(ConfigError, match="holds no folder 'clevr_mv'"):
            plan_experiment("table1", budget, tmp_path, tmp_path)
        with pytest.raises(ConfigError, match="--data FOLDER"):
            plan_experiment("real", budget, tmp_path, None)
        with pytest.raises(ConfigError, match="no file 'rich'.*cpu, paper, smoke"):
            load_budget("rich")
        (tmp_path / "mine.yaml").write_text("presets: table\nscenes: {}\ntest_scenes: {}\nseeeds: [1]\n")
        with pytest.raises(ConfigError, match="mine.yaml.*seeeds"):
            load_budget(str(tmp_path / "mine.yaml"))

    def test_recordings_with_nothing_held_out_are_trained_and_measured_on_what_there_is(self, tmp_path: Path) -> None:
        data = recorded_squares(tmp_path / "few")
        files = [path.name for path in sorted(data.glob("*.h5"))]
        write_dataset_index(data, "few", "drawn", dict.fromkeys(files, 3), {"train": files})
        train, evaluate, *_ = plan_experiment("real", load_budget("smoke"), tmp_path / "out", data)
        assert "data.validation_split=train" in train.arguments
        assert evaluate.arguments[evaluate.arguments.index("--split") + 1] == "train"

    def test_recordings_that_have_changed_make_all_steps_undone(self, tmp_path: Path) -> None:
        data, out = recorded_squares(tmp_path / "squares"), tmp_path / "out"
        before = plan_experiment("real", load_budget("smoke"), out, data)
        assert [step.digest(out) for step in plan_experiment("real", load_budget("smoke"), out, data)] == [
            step.digest(out) for step in before
        ]
        (data / "scene_000001.h5").write_bytes((data / "scene_000000.h5").read_bytes())
        after = plan_experiment("real", load_budget("smoke"), out, data)
        assert [step.name for step in after] == [step.name for step in before]
        assert not {step.digest(out) for step in after} & {step.digest(out) for step in before}


class TestSteps:
    def test_what_is_done_is_not_done_again_until_its_settings_change(self, tmp_path: Path) -> None:
        data, out = recorded_squares(tmp_path / "squares"), tmp_path / "out"
        ledger = Ledger(out)
        first = pack_step(out, "first", data)
        second = pack_step(out, "second", data, needs=(first,))
        assert run_here([first, second], ledger) == {} and run_here([first, second], ledger) == {}
        assert begins(ledger, first) == begins(ledger, second) == 1
        changed = pack_step(out, "first", data, size=8)
        after = pack_step(out, "second", data, needs=(changed,))
        before = first.folder.read_bytes()
        assert run_here([changed, after], ledger) == {}
        assert begins(ledger, changed) == 1 and begins(ledger, after) == 2, "what needs it is done again as well"
        assert (out / "earlier" / "first.h5_1").read_bytes() == before != changed.folder.read_bytes()

    def test_a_result_that_was_deleted_or_moved_with_its_folder_is_known(self, tmp_path: Path) -> None:
        data, out = recorded_squares(tmp_path / "squares"), tmp_path / "out"
        step = pack_step(out, "first", data)
        assert run_here([step], Ledger(out)) == {}
        out.rename(tmp_path / "moved")
        moved = pack_step(tmp_path / "moved", "first", data)
        assert Ledger(tmp_path / "moved").is_done(moved)
        moved.folder.unlink()
        assert not Ledger(tmp_path / "moved").is_done(moved)

    def test_a_failure_is_named_and_keeps_back_only_what_needs_it(self, tmp_path: Path) -> None:
        data, out = tmp_path / "squares", tmp_path / "out"
        ledger = Ledger(out)
        bad = pack_step(out, "bad", data)
        needs_it = pack_step(out, "needs_it", recorded_squares(tmp_path / "others"), needs=(bad,))
        other = pack_step(out, "other", tmp_path / "others")
        told: list[tuple[str, str]] = []
        failed = run_here([bad, needs_it, other], ledger, lambda step, what: told.append((step.name, what)))
        assert "bad failed: error: " in failed["bad"] and "no such folder" in failed["bad"]
        assert str(ledger.log(bad)) in failed["bad"]
        assert failed["needs_it"] == "not run, since it needs bad" and ledger.is_done(other)
        assert [name for name, what in told if what == "begins"] == ["bad", "other"]
        recorded_squares(data)
        assert run_here([bad, needs_it, other], ledger) == {}
        assert [begins(ledger, step) for step in (bad, needs_it, other)] == [2, 1, 1]

    def test_two_do_not_do_the_same_step(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger_module, "LOCK_TIMEOUT", 0.3)
        out = tmp_path / "out"
        step = pack_step(out, "first", recorded_squares(tmp_path / "squares"))
        with Ledger(out).lock(step), pytest.raises(ReproductionError, match="another `lds reproduce` is at it"):
            do_step(step, Ledger(out))
        assert begins(Ledger(out), step) == 0

    def test_a_complete_synthesis_whose_record_was_not_written_is_taken_as_it_is(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        path = recorded_squares(out / "data" / "squares")
        arguments = ("data", "synth", "table_cubes", str(path), "--scenes", "2", "--size", "16")
        step = Step("synth_squares", "synth", arguments, path, finished="dataset.json")
        ledger = Ledger(out)
        with ledger.lock(step):
            (out / "steps" / "synth_squares.json").write_text(
                json.dumps({"digest": step.digest(out), "command": step.command, "state": "running"})
            )
        assert run_here([step], ledger) == {} and ledger.is_done(step)

    def test_only_pairs_of_which_both_are_evaluated_are_compared(self, tmp_path: Path) -> None:
        for name in ("clevr_mv", "dolphin"):
            recorded_squares(tmp_path / name)
        ledger = Ledger(tmp_path / "out")
        steps = plan_experiment("table1", load_budget("smoke"), ledger.out, tmp_path)
        for step in steps:
            if "iodine" not in step.name or "lds" in step.name:
                record_as_done(step, ledger)
        compared = {step.name for step in comparable(steps, ledger)}
        assert compared == {step.name for step in steps if step.kind == "eval" and "iodine" not in step.name}


def record_as_done(step: Step, ledger: Ledger) -> None:
    step.folder.mkdir(parents=True, exist_ok=True)
    with ledger.lock(step):
        (ledger.out / "steps" / f"{step.name}.json").write_text(
            json.dumps({"digest": step.digest(ledger.out), "command": step.command, "state": "done"})
        )


class TestCluster:
    """submitit's own stand-in for Slurm: jobs are processes of this machine."""

    def test_steps_become_jobs_when_what_they_need_is_done(self, tmp_path: Path) -> None:
        pytest.importorskip("submitit")
        data, out = recorded_squares(tmp_path / "squares"), tmp_path / "out"
        ledger = Ledger(out)
        first = pack_step(out, "first", data)
        second = pack_step(out, "second", data, needs=(first,))
        bad = pack_step(out, "bad", tmp_path / "gone")
        after_bad = pack_step(out, "after_bad", data, needs=(bad,))
        cluster = Cluster("any", hours=0.1, kind="local", poll=0.2)
        failed = run_on_cluster([first, second, bad, after_bad], ledger, cluster)
        assert ledger.is_done(second) and set(failed) == {"bad", "after_bad"}
        assert "no such folder" in failed["bad"] and failed["after_bad"] == "not run, since it needs bad"
        assert run_on_cluster([first, second], ledger, cluster) == {} and begins(ledger, first) == 1
