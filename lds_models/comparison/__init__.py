"""Models with and without the LDS prior, side by side: the paper's tables and figures from what `lds eval` wrote.

`runs` reads the evaluated folders, `pairing` says which belong together, `numbers` `gaps` `ablation` `curves` `grids`
hold what is shown, `charts` `page` `files` show it, `paper` has what the paper reports.
"""

from lds_models.comparison.compare import Comparison, compare

__all__ = ["Comparison", "compare"]
