"""Models by name, built from a plain mapping of settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lds_models.genesis import GENESIS, GENESISConfig
from lds_models.iodine import IODINE, IODINEConfig
from lds_models.model import ModelConfig, SceneModel
from lds_models.monet import MONet, MONetConfig
from lds_models.mulmon import MulMON, MulMONConfig

MODELS: dict[str, tuple[type[ModelConfig], type[SceneModel]]] = {
    "monet": (MONetConfig, MONet),
    "iodine": (IODINEConfig, IODINE),
    "mulmon": (MulMONConfig, MulMON),
    "genesis": (GENESISConfig, GENESIS),
}


class ConfigError(ValueError):
    """A setting is unknown, missing or of the wrong type. The message names it and the choices."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split())[:1000])  # one line, whatever stands in a file


MOST = 4096  # of layers, channels, pixels a side, ...
MOST_BYTES = 2**31  # of a model's parameters


def build_model(settings: Mapping[str, Any]) -> SceneModel:
    """Build the model that `settings["name"]` names; settings left out take the config class's defaults.

    Raises:
        ConfigError: the model or a setting is unknown, or a value does not fit.
    """
    name = settings.get("name")
    if not isinstance(name, str) or name not in MODELS:
        raise ConfigError(f"unknown model '{str(name)[:50]}'; choose from {', '.join(MODELS)}")
    config_class, model_class = MODELS[name]
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config_class), dict(settings)))
        assert isinstance(config, ModelConfig)
        _check_numbers(config)
        _check_size(model_class, config)
        return model_class(config)
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        names = ", ".join(field.name for field in fields(config_class))
        raise ConfigError(f"model '{name}': {reason}; its settings are {names}") from error


def _check_numbers(config: ModelConfig) -> None:
    """Raises ValueError where a setting is a number that no model can have."""
    for field in fields(config):
        value = getattr(config, field.name)
        if type(value) is int and not 1 <= value <= MOST:
            raise ValueError(f"{field.name} must be 1 to {MOST}, got {str(value)[:50]}")
        if type(value) is float and not math.isfinite(value):
            raise ValueError(f"{field.name} must be a finite number, got {value}")


def _check_size(model_class: type[SceneModel], config: ModelConfig) -> None:
    """Raises ValueError where the model would be absurdly large, before any memory is taken."""
    try:
        with torch.device("meta"):  # tensors without content
            model = model_class(config)
    except RuntimeError as error:
        raise ValueError(f"these sizes do not fit together ({str(error)[:100]})") from error
    size = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    if size > MOST_BYTES:
        raise ValueError(f"a model of these sizes takes {size / 1e9:.1f} GB")
