"""The YAML files under config/ that say what a robot, a set of viewpoints, ... are."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from capture.errors import CaptureError
from datasets.yaml_file import read_yaml
from lds_models.presets import config_folder

T = TypeVar("T")


class SettingsError(CaptureError):
    """A settings file is missing or wrong. The message names the file and the key."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split())[:1000])  # one line, whatever stands in the file


def settings_file(kind: str, name_or_path: str | Path) -> Path:
    """The file that is meant by a path, or by the name of one in config/`kind`.

    Raises:
        SettingsError: there is none; lists those that are there.
    """
    folder = config_folder() / kind
    for file in (Path(name_or_path), folder / f"{name_or_path}.yaml"):
        if file.is_file():
            return file
    names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise SettingsError(f"there is no file '{name_or_path}', and none of that name among config/{kind}: {names}")


def read_mapping(file: Path) -> DictConfig:
    """The keys and values of a YAML file.

    Raises:
        SettingsError: it cannot be read, or holds no keys.
    """
    try:
        if not isinstance(read_yaml(file), dict):
            raise SettingsError(f"{file}: holds no 'key: value' lines")
        content = OmegaConf.load(file)  # with its own mind on what a number is; refuses keys that stand twice
        assert isinstance(content, DictConfig)
        OmegaConf.resolve(content)
        return content
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror or error})") from error
    except OmegaConfBaseException as error:
        raise SettingsError(f"{file}: {_brief(error)}") from error
    except (YAMLError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from error


def read_settings(schema: type[T], file: Path) -> T:
    """Read a YAML file into a dataclass, whose fields say which keys and types there may be.

    Raises:
        SettingsError: no valid YAML, an unknown or missing key, or a value of another type.
    """
    return settings_of(schema, read_mapping(file), file)


def settings_of(schema: type[T], content: DictConfig, file: Path) -> T:
    """What was read from `file` as a dataclass; its own ValueErrors are told with the file's name as well.

    Raises:
        SettingsError: an unknown or missing key, a value of another type, or one that the dataclass refuses.
    """
    try:
        settings = OmegaConf.merge(OmegaConf.structured(schema), content)
        if missing := sorted(OmegaConf.missing_keys(settings)):
            raise SettingsError(f"{file}: {missing[0]} is missing")
        made = OmegaConf.to_object(settings)
        assert isinstance(made, schema)
        return made
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        key = getattr(error, "full_key", None)
        raise SettingsError(f"{file}: {f'{key}: ' if key else ''}{_brief(error)}") from error


def are_numbers(values: object, count: int) -> bool:
    """Whether these are so many numbers, neither NaN nor of a size that no length or angle has."""
    if not isinstance(values, list | tuple) or len(values) != count:
        return False
    return all(isinstance(value, int | float) and abs(value) < 1e9 for value in values)


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0][:400]


def require(condition: bool, file: Path, message: str) -> None:
    """Raises SettingsError with the file's name and `message` (the key, and what its value must be) unless it holds."""
    if not condition:
        raise SettingsError(f"{file}: {message}")
