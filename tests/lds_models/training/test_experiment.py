"""Settings of an experiment: presets, schedules, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from tiny_runs import experiment_file

from lds_models.presets import preset_names
from lds_models.registry import ConfigError, build_model
from lds_models.training.experiment import OptimiserConfig, lds_ramp, learning_rate, load_experiment


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["stepz=3"], "stepz"),
        (["steps=many"], "many"),
        (["steps"], "write key=value"),
        (["precision=16"], "choose from auto, bf16-mixed, 32-true"),
        (["optimiser.name=sgd"], "choose from rmsprop, adam"),
        (["batch_size=0"], "batch_size must be 1 or more"),
        (["lds_warmup=[5,2]"], "lds_warmup must be"),
        (["lds_warmup=[[1],2]"], "lds_warmup"),
        (["steps={"], "'steps={' is no setting"),
        (["data=3"], "yaml"),
        (["data.views=0"], "data.views must be 1 or more, or null for all"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, settings: list[str], message: str) -> None:
    file = experiment_file(tmp_path, tmp_path / "data")
    with pytest.raises(ConfigError, match=message):
        load_experiment(str(file), settings)


def test_unknown_experiment_lists_the_presets() -> None:
    with pytest.raises(ConfigError, match="paper_monet_lds"):
        load_experiment("paper_monet", [])


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    for content in (b"a: b: c\n", b"\xff\xfe\x00", b"steps: [1\n"):
        (tmp_path / "odd.yaml").write_bytes(content)
        with pytest.raises(ConfigError, match="odd.yaml: "):
            load_experiment(str(tmp_path / "odd.yaml"), [])


def test_missing_data_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="data.path must be set"):
        load_experiment("paper_monet_lds", [])


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_builds_its_model(name: str) -> None:
    experiment = load_experiment(name, ["data.path=somewhere"])
    model = build_model(experiment.model)
    assert model.num_slots == experiment.model["num_slots"]
    assert (experiment.model["lds_weight"] > 0) == ("lds" in name)


@pytest.mark.parametrize(
    ("model", "optimiser", "lr", "schedule", "batch_size", "lds_weight"),
    [
        ("monet", "rmsprop", 3e-4, "constant", 40, 0.5),
        ("iodine", "adam", 1e-4, "gqn", 8, 1.0),
        ("mulmon", "adam", 2e-4, "gqn", 8, 1.0),
    ],
)
def test_paper_presets_are_the_papers_and_differ_by_lds_alone(
    model: str, optimiser: str, lr: float, schedule: str, batch_size: int, lds_weight: float
) -> None:
    base, lds = (load_experiment(f"paper_{model}_{kind}", ["data.path=x"]) for kind in ("base", "lds"))
    assert lds.model.pop("lds_weight") == lds_weight and base.model.pop("lds_weight") == 0.0
    assert base == lds
    assert (base.optimiser.name, base.optimiser.lr, base.optimiser.schedule) == (optimiser, lr, schedule)
    assert (base.optimiser.clip_norm, base.batch_size, base.steps) == (5.0, batch_size, 600_000)
    assert (base.precision, base.start_from, base.lds_warmup) == ("32-true", None, [0, 0])


COMMON = {"num_slots": 7, "latent_dim": 16, "image_size": 64, "patch": 1, "lds_std": 0.1}


@pytest.mark.parametrize("kind", ["base", "lds"])
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("monet", {"background_std": 0.1, "foreground_std": 0.1, "kl_latent_weight": 0.5, "kl_mask_weight": 0.5}),
        ("iodine", {"iterations": 5, "pixel_std": 0.1, "kl_latent_weight": 1.0}),
        ("mulmon", {"iterations": 5, "pixel_std": 0.1, "kl_latent_weight": 1.0, "min_observed": 1, "max_observed": 6}),
        ("genesis", {"mask_latent_dim": 64, "pixel_std": 0.7, "geco_goal": 0.5655, "geco_rate": 1e-5}),
    ],
)
def test_models_of_the_paper_presets_have_its_sizes_whatever_defaults_become(
    model: str, settings: dict[str, float], kind: str
) -> None:
    experiment = load_experiment(f"paper_{model}_{kind}", ["data.path=x"])
    config = vars(build_model(experiment.model).config)
    assert {key: config[key] for key in COMMON | settings} == COMMON | settings


def test_gqn_schedule_is_the_papers() -> None:
    config = OptimiserConfig(lr=2e-4, schedule="gqn")
    for step, expected in ((0, 2e-4), (500_000, 1.1e-4), (1_000_000, 2e-5), (2_000_000, 2e-5)):
        assert learning_rate(config, step, steps=600_000) == pytest.approx(expected)


def torchs_rates(scheduler: type, steps: int, **how) -> list[float]:
    """The learning rates of `steps` steps that start at 1."""
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule, rates = scheduler(optimiser, **how), []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    return rates


def test_cosine_falls_to_a_fiftieth_as_torchs_does_and_stays_there() -> None:
    config = OptimiserConfig(lr=3e-4, schedule="cosine")
    expected = torchs_rates(torch.optim.lr_scheduler.CosineAnnealingLR, 41, T_max=40, eta_min=0.02)
    assert [learning_rate(config, step, steps=40) / 3e-4 for step in range(41)] == pytest.approx(expected)
    assert learning_rate(config, 90, steps=40) == pytest.approx(0.02 * 3e-4)


@pytest.mark.parametrize("schedule", ["constant", "gqn", "cosine"])
def test_warm_up_is_torchs_linear_one_times_the_schedule(schedule: str) -> None:
    config, warm = (OptimiserConfig(schedule=schedule, warmup_steps=warm_up) for warm_up in (0, 8))
    shares = torchs_rates(torch.optim.lr_scheduler.LinearLR, 20, start_factor=1 / 8, total_iters=7)
    expected = [share * learning_rate(config, step, steps=20) for step, share in enumerate(shares)]
    assert [learning_rate(warm, step, steps=20) for step in range(20)] == pytest.approx(expected)


def test_lds_ramp_grows_between_its_steps() -> None:
    assert [lds_ramp([10, 20], step) for step in (0, 10, 15, 20, 99)] == [0, 0, 0.5, 1, 1]
    assert lds_ramp([0, 0], 0) == 1


@pytest.mark.parametrize("name", ["2024_11_30", "1e3", "0x10", "on", "a: b", "a #b", "{z}", "a=b"])
def test_a_folder_is_taken_by_its_name_whatever_yaml_makes_of_it(tmp_path: Path, name: str) -> None:
    given = [f"{key}={name}" for key in ("data.path", "data.validation_path", "start_from")]
    loaded = load_experiment("paper_monet_lds", given)
    assert (loaded.data.path, loaded.data.validation_path, loaded.start_from) == (name, name, name)
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.structured(loaded)))  # as a run keeps it
    assert load_experiment(str(tmp_path / "config.yaml"), []).data.path == name
    assert load_experiment("paper_monet_lds", ["data.path=x", "data.validation_path=null"]).data.validation_path is None
