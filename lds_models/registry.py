"""Models by name, built from a plain mapping of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lds_models.genesis import GENESIS, GENESISConfig
from lds_models.iodine import IODINE, IODINEConfig
from lds_models.model import SceneModel
from lds_models.monet import MONet, MONetConfig
from lds_models.mulmon import MulMON, MulMONConfig

MODELS: dict[str, tuple[type, type[SceneModel]]] = {
    "monet": (MONetConfig, MONet),
    "iodine": (IODINEConfig, IODINE),
    "mulmon": (MulMONConfig, MulMON),
    "genesis": (GENESISConfig, GENESIS),
}


class ConfigError(ValueError):
    """A setting is unknown, missing or of the wrong type. The message names it and the choices."""

    exit_code = 2


def build_model(settings: Mapping[str, Any]) -> SceneModel:
    """Build the model that `settings["name"]` names; settings left out take the config class's defaults.

    Raises:
        ConfigError: the model or a setting is unknown, or a value does not fit.
    """
    name = settings.get("name")
    if name not in MODELS:
        raise ConfigError(f"unknown model '{name}'; choose from {', '.join(MODELS)}")
    config_class, model_class = MODELS[name]
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config_class), dict(settings)))
        return model_class(config)
    except (OmegaConfBaseException, ValueError) as error:
        reason = str(error).splitlines()[0]
        names = ", ".join(field.name for field in fields(config_class))
        raise ConfigError(f"model '{name}': {reason}; its settings are {names}") from error
