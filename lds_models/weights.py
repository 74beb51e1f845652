"""Weights on disk: one safetensors file that carries the model's settings and its card. Never a pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lds_models.model import SceneModel
from lds_models.registry import ConfigError, build_model

FORMAT = "lds_scenes/weights/1"
SHIPPED = Path(__file__).parent / "weights"


class WeightsError(ValueError):
    """A weights file is missing, damaged or of something else. The message names it and what to do."""

    exit_code = 1


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode with what its file says about it.

    Attributes:
        model: on the CPU, float32.
        card: the model card: name, training, metrics, ...; see `docs/` and the .md file beside shipped weights.
        digest: SHA-256 (hex) of the parameters.
        path: the file it came from.
    """

    model: SceneModel
    card: dict[str, Any]
    digest: str
    path: Path

    @property
    def name(self) -> str:
        return self.card.get("name", self.path.stem)


def save_weights(path: Path, model: SceneModel, card: dict[str, Any]) -> None:
    """Write the model's parameters, settings and card to `path`, which appears whole."""
    from datasets.atomic import whole_file

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "model": json.dumps(asdict(model.config)),
        "card": json.dumps(card),
        "digest": state_digest(state),
    }
    with whole_file(path) as temporary:
        temporary.write_bytes(save(state, metadata))


def load_weights(name_or_path: str | Path, num_slots: int | None = None) -> LoadedModel:
    """Load weights by the name of shipped ones, by file, or by the folder of a training run.

    Args:
        num_slots: K, where it is to be another than in training.

    Raises:
        WeightsError: there are none, or the file is damaged, or holds another model than it says.
    """
    path = find_weights(name_or_path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: is damaged or no safetensors file ({_brief(error)}); fetch or train it again"
        ) from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path}: are no weights of lds_scenes (format {str(metadata.get('format'))[:50]!r})")
    try:
        settings, card = _mapping(metadata, "model"), _mapping(metadata, "card")
        model = build_model(settings if num_slots is None else settings | {"num_slots": num_slots})
        model.load_state_dict(state)
    except (KeyError, ValueError, ConfigError, RuntimeError) as error:
        raise WeightsError(f"{path}: its parameters do not fit the model that it names ({_brief(error)})") from error
    digest = state_digest(state)
    if digest != metadata.get("digest"):
        raise WeightsError(f"{path}: is damaged, its digest differs from the recorded one; fetch or train it again")
    return LoadedModel(model.eval(), card, digest, path)


def copy_weights(model: SceneModel, name_or_path: str | Path) -> None:
    """Give a model the parameters of trained weights, whose settings may differ where shapes do not.

    Raises:
        WeightsError: there are none, they are damaged, or they are of another model.
    """
    loaded = load_weights(name_or_path)
    kind, other = model.config.name, loaded.model.config.name
    try:
        if kind != other:
            raise RuntimeError(f"they are of {other}")
        model.load_state_dict(loaded.model.state_dict())
    except RuntimeError as error:
        raise WeightsError(
            f"{loaded.path}: {kind} with these settings cannot start from these weights ({_brief(error)}); give it the "
            "settings that they were trained with, or other weights"
        ) from error


def _mapping(metadata: dict[str, str], name: str) -> dict[str, Any]:
    content = json.loads(metadata[name])
    if not isinstance(content, dict) or not isinstance(content.get("name", ""), str):
        raise ValueError(f"its '{name}' is no JSON object with a name")
    return content


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def find_weights(name_or_path: str | Path) -> Path:
    """The weights file that a name, file or run folder stands for. Raises WeightsError where there is none."""
    path = Path(name_or_path)
    if path.is_dir() and (path / "weights.safetensors").is_file():
        return path / "weights.safetensors"
    if path.is_file():
        return path
    shipped = SHIPPED / f"{name_or_path}.safetensors"
    if path.name == str(name_or_path) and shipped.is_file():
        return shipped
    raise WeightsError(
        f"no weights '{name_or_path}': give a .safetensors file, the folder of a training run, or one of the shipped "
        f"names: {', '.join(shipped_names()) or 'none'}"
    )


def shipped_names() -> list[str]:
    """The names of the weights that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def state_digest(state: dict[str, Tensor]) -> str:
    """SHA-256 (hex) over names, types, shapes and values of all tensors, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(state):
        array = state[name].numpy()
        total.update(f"{name} {array.dtype} {list(array.shape)}\0".encode())
        total.update(array.tobytes())
    return total.hexdigest()
