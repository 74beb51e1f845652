"""`dolphin`: scenes after the official Dolphin set: CLE-MV's, with free forms among the objects."""

from __future__ import annotations

from datasets.synthesis.clevr_mv import clevr_renderers, make_scene
from datasets.synthesis.clevr_objects import Family
from datasets.synthesis.free_forms import FOOTPRINTS, FREE_FORMS
from datasets.synthesis.synthesiser import Synthesiser

_FAMILY = Family(
    "dolphin",
    {"large": 0.95, "small": 0.75},
    {"cube": "box", "sphere": "sphere"},
    FREE_FORMS,
    {"cube": 2**0.5, **FOOTPRINTS},
)
DOLPHIN = Synthesiser("dolphin", clevr_renderers(_FAMILY), make_scene, ("clevr", "h5"))
