"""What the LDS paper reports (Li & Fisher, BMVC 2021, tables 1 and 2), to be shown beside our numbers."""

from __future__ import annotations

import re
from pathlib import Path

PAPER = "Li & Fisher, BMVC 2021"
SLOTS, SEEDS, STEPS = 7, 5, 600_000

# Dataset, model -> measure -> without and with LDS: mean and spread over five seeds (its table 1).
TABLE_1 = {
    ("CLE-MV", "MONet"): {"mse": ((0.0037, 0.0002), (0.0024, 0.0002)), "miou": ((0.6806, 0.0072), (0.7899, 0.0092))},
    ("CLE-MV", "IODINE"): {"mse": ((0.0016, 0.0002), (0.0020, 0.0001)), "miou": ((0.1911, 0.0042), (0.7252, 0.0054))},
    ("CLE-MV", "MulMON"): {"mse": ((0.0019, 0.0001), (0.0019, 0.0001)), "miou": ((0.7834, 0.0046), (0.7911, 0.0043))},
    ("Dolphin", "MONet"): {"mse": ((0.0059, 0.0002), (0.0063, 0.0005)), "miou": ((0.6620, 0.0070), (0.6567, 0.0077))},
    ("Dolphin", "IODINE"): {"mse": ((0.0054, 0.0001), (0.0050, 0.0002)), "miou": ((0.3501, 0.0043), (0.6224, 0.0052))},
    ("Dolphin", "MulMON"): {"mse": ((0.0055, 0.003), (0.0051, 0.0002)), "miou": ((0.6246, 0.0056), (0.6556, 0.0027))},
}
# Its table 2: Pearson correlation with the inference gap's drop, of MONet over 2000 images of CLE-MV.
TABLE_2 = {"mse": -0.2874, "miou": 0.2019}


def paper_dataset(path: str) -> str | None:
    """Which of the paper's datasets a path names by its last parts, CLE-MV or Dolphin, or None."""
    name = re.sub(r"[^a-z0-9]", "", "".join(Path(path).parts[-2:]).lower())
    return "CLE-MV" if "clevrmv" in name or "clemv" in name else "Dolphin" if "dolphin" in name else None
