"""Training state on disk as one safetensors file: model, optimiser, random state and step. Appears whole, no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from datasets.atomic import whole_file
from lds_models.weights import WeightsError

FORMAT = "lds_scenes/checkpoint/1"


def save_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, step: int, seconds: float) -> None:
    """Write the state after `step` steps and `seconds` of training."""
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
        save_file(tensors, temporary, {"format": FORMAT, "step": str(step), "seconds": json.dumps(seconds)})


def load_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, float]:
    """Put the state in `path` into model, optimiser and random generators.

    Returns:
        the number of steps done, and the seconds that they took.

    Raises:
        WeightsError: the file is missing, damaged or of another model.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.get("format") != FORMAT:
            raise WeightsError(f"{path}: is no checkpoint of this version of lds_scenes")
        model.load_state_dict({k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")})
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{path}: cannot be resumed from ({reason}); was the model changed since?") from error
    parameters = dict(model.named_parameters())
    names = list(parameters)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser/"):
            name, entry = key.removeprefix("optimiser/").rsplit("/", 1)
            state.setdefault(names.index(name), {})[entry] = _laid_out_like(parameters[name], value)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random/cpu"])
    if torch.cuda.is_available() and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return int(metadata["step"]), float(json.loads(metadata["seconds"]))


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """The value in the parameter's memory format, where they are of one shape; optimisers are slower on two formats."""
    return torch.empty_like(parameter.detach()).copy_(value) if value.shape == parameter.shape else value
