"""Training state on disk as one safetensors file: model, optimiser, random state and step. Appears whole, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from datasets.atomic import whole_file
from lds_models.weights import WeightsError

FORMAT = "lds_scenes/checkpoint/1"


def save_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int, seconds: float, data_digest: str
) -> None:
    """Write the state after `step` steps and `seconds` of training on the data of this digest."""
    tensors: dict[str, Tensor] = {f"model/{name}": value for name, value in model.state_dict().items()}
    names = [name for name, _ in model.named_parameters()]
    for index, state in optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser/{names[index]}/{key}": value for key, value in state.items()})
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    # Parameters laid out channels_last, and those that share memory, are stored plain.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with whole_file(path) as temporary:
        # save_file would write under a name of its own first, and leave that behind where it is killed.
        told = {"format": FORMAT, "step": str(step), "seconds": json.dumps(seconds), "data_digest": data_digest}
        temporary.write_bytes(save(tensors, told))


def load_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, data_digest: str
) -> tuple[int, float]:
    """Put the state in `path` into model, optimiser and random generators.

    Returns:
        the number of steps done, and the seconds that they took.

    Raises:
        WeightsError: the file is missing, damaged or of another model, or was trained on other data than those of
            this digest.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.get("format") != FORMAT:
            raise WeightsError(f"{path}: is no checkpoint of this version of lds_scenes")
        trained_on = metadata.get("data_digest", data_digest)  # older ones do not tell
        if trained_on != data_digest:
            raise WeightsError(
                f"{path}: was trained on other data (digest {trained_on[:8]}, not {data_digest[:8]}); resume it with "
                "the data as they were, or train anew in another --out"
            )
        done = int(metadata["step"]), float(metadata["seconds"])
        model.load_state_dict({k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")})
        optimiser.load_state_dict(_optimiser_state(tensors, model, optimiser))
        torch.set_rng_state(tensors["random/cpu"])
        if torch.cuda.is_available() and "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"])
    except WeightsError:
        raise
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path}: cannot be resumed from ({reason}); was the model changed since?") from error
    return done


def _optimiser_state(tensors: dict[str, Tensor], model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """What the optimiser loads. Raises ValueError where it is of another optimiser or model."""
    parameters = dict(model.named_parameters())
    names = list(parameters)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser/"):
            name, entry = key.removeprefix("optimiser/").rsplit("/", 1)
            if value.shape not in (parameters[name].shape, torch.Size([])) or not value.is_floating_point():
                raise ValueError(f"{key} is {value.dtype} {list(value.shape)}")
            state.setdefault(names.index(name), {})[entry] = _laid_out_like(parameters[name], value)
    if len({frozenset(entries) for entries in state.values()}) > 1:
        raise ValueError("the optimiser's state is not complete")
    return {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """The value in the parameter's memory format, where they are of one shape; optimisers are slower on two formats."""
    return torch.empty_like(parameter.detach()).copy_(value) if value.shape == parameter.shape else value
