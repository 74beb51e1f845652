"""How fast training goes and how much memory it takes."""

from __future__ import annotations

from lds_models.memory import peak_memory_mb


class Pace:
    """Images over time since the last row, validation and checkpoints not counted."""

    def __init__(self) -> None:
        self._images, self._seconds = 0, 0.0

    def add(self, images: int, seconds: float) -> None:
        """Count a step, in which so many images were seen by all processes."""
        self._images, self._seconds = self._images + images, self._seconds + seconds

    def row(self) -> dict[str, float]:
        """Images a second, and this process' peak of memory in MB, as metrics; begins anew."""
        row = {"images_per_second": self._images / self._seconds, "memory_mb": peak_memory_mb()}
        self._images, self._seconds = 0, 0.0
        return row
