"""Procedural scenes rendered by MuJoCo. Each synthesiser is found by its name."""

from datasets.synthesis.table_cubes import synthesise as synthesise_table_cubes

SYNTHESISERS = {"table_cubes": synthesise_table_cubes}
