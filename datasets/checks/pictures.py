"""Pictures that show nothing, and pictures that are there twice."""

from __future__ import annotations

import hashlib

from datasets.checks.findings import Findings, listed
from datasets.scene import Scene

BLANK_STD = 1.0  # grey levels; a picture with less contrast shows nothing


def check_pictures(findings: Findings, scene: Scene, seen: dict[bytes, str]) -> None:
    """Blank pictures, and such as repeat another one of this dataset pixel for pixel.

    Args:
        seen: digests of all pictures so far and where they were; this scene's are added.
    """
    blank, repeated = [], []
    for view, image in enumerate(scene.images):
        if image.std(axis=(0, 1)).max() < BLANK_STD:
            blank.append(view)
            continue
        here = f"{scene.name} view {view}"
        first = seen.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), here)
        if first != here:
            repeated.append(f"{view} (as {first})")
    if blank:
        findings.problems.append(f"{scene.name}: blank images in views {listed(blank)}")
    if repeated:
        findings.problems.append(
            f"{scene.name}: repeats a picture pixel for pixel in views {listed(repeated)}; "
            f"a frozen camera, or a scene stored twice"
        )
