"""How much is spent on a reproduction: the settings of `config/reproduction/*.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from capture.settings_file import SettingsError, read_settings, settings_file
from lds_models.registry import ConfigError


@dataclass
class Budget:
    """Datasets are named as in `scenes`, models as in `lds_models.registry.MODELS`.

    Attributes:
        presets: trainings start from the presets `{presets}_{model}_base` and `_lds`.
        settings, model_settings: key=value for every training, and for those of a model.
        seeds: every model is trained once with each.
        slots: K, as the paper trains with it.
        scenes: how many of each dataset are synthesised; the last tenth is for testing.
        views: of each scene.
        test_scenes: how many test scenes of each dataset Table 1 is measured on; Figure 3 and Table 2 take all.
        gap_scenes, gap_samples: test scenes and samples for the inference gap (null: all scenes).
        sigmas, train_slots, test_slots: of the ablations. `train_slots` must hold `slots`.
    """

    presets: str = MISSING
    settings: list[str] = field(default_factory=list)
    model_settings: dict[str, list[str]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    slots: int = 7
    scenes: dict[str, int] = MISSING
    views: int = 10
    test_scenes: dict[str, int] = MISSING
    gap_scenes: int | None = None
    gap_samples: int = 500
    sigmas: list[float] = field(default_factory=lambda: [0.05, 0.1, 0.2, 0.5])
    train_slots: list[int] = field(default_factory=lambda: [7, 9])
    test_slots: list[int] = field(default_factory=lambda: [7, 9, 11, 15])


def load_budget(name_or_file: str) -> Budget:
    """Read a budget by name, or from a YAML file.

    Raises:
        ConfigError: there is none, a key is unknown, or a value does not fit; the message says which.
    """
    try:
        file = settings_file("reproduction", name_or_file)
        budget = read_settings(Budget, file)
    except SettingsError as error:
        raise ConfigError(str(error)) from error
    for key in ("seeds", "sigmas", "train_slots", "test_slots"):
        if not getattr(budget, key):
            raise ConfigError(f"{file}: {key} must hold at least one value")
    return budget
