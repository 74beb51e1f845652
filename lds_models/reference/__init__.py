"""The models as the literature writes them: what the fast paths must equal, and `lds bench train` compares with.

PyTorch's own layers, its default memory layout, distributions from torch.distributions, the iterative models'
refinement inputs as their authors' code gets them from autograd. Written apart from the fast paths, so that the two
check each other; of those they have the parameters, by the same names, and the order of random draws.
"""

from __future__ import annotations

from copy import deepcopy

import torch

from lds_models.genesis import GENESIS
from lds_models.iodine import IODINE
from lds_models.model import SceneModel
from lds_models.monet import MONet
from lds_models.mulmon import MulMON
from lds_models.reference.genesis import PlainGENESIS
from lds_models.reference.iodine import PlainIODINE
from lds_models.reference.monet import PlainMONet
from lds_models.reference.mulmon import PlainMulMON

PLAIN: dict[type[SceneModel], type[SceneModel]] = {
    MONet: PlainMONet,
    GENESIS: PlainGENESIS,
    IODINE: PlainIODINE,
    MulMON: PlainMulMON,
}


def plain(model: SceneModel) -> SceneModel:
    """The plain formulation of a model, with a copy of its parameters."""
    reference = PLAIN[type(model)](deepcopy(model))
    return reference.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # torch's types lack it
