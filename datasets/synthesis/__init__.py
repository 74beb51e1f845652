"""Procedural scenes. Each synthesiser is found by its name."""

from datasets.synthesis.clevr_mv import CLEVR_MV
from datasets.synthesis.dolphin import DOLPHIN
from datasets.synthesis.synthesiser import Synthesiser
from datasets.synthesis.table_cubes import TABLE_CUBES

SYNTHESISERS: dict[str, Synthesiser] = {each.kind: each for each in (TABLE_CUBES, CLEVR_MV, DOLPHIN)}
