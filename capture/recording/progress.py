"""How far a recording has come: what the action's feedback tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """The fields of RecordScenes' feedback; see action/RecordScenes.action."""

    scenes: int
    views: int
    scene: int = 0
    view: int = 0
    state: str = "planning"
    detail: str = ""
    sharpness: float = 0.0
    overexposed: float = 0.0
    stored: int = 0
    skipped: int = 0
    eta: float = -1.0


class ProgressReporter:
    """Keeps the progress, estimates the time left, and tells of every change.

    Args:
        publish: takes each new progress.
    """

    def __init__(
        self, scenes: int, views: int, publish: Callable[[Progress], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = Progress(scenes, views)
        self._publish, self._clock = publish, clock
        self._busy, self._handled = 0.0, 0  # seconds spent on views, and how many views they were
        self._view_began: float | None = None

    def scene(self, number: int, stored: int) -> None:
        """Scene `number`, counted from 1, is at work; so many of its views are stored already."""
        self._view_began = None
        self.now = replace(self.now, scene=number, view=0, stored=stored, skipped=0)

    def view(self, number: int) -> None:
        """View `number`, counted from 1, is at work."""
        self._end_view()
        self._view_began = self._clock()
        self.now = replace(self.now, view=number)
        self.state("moving")

    def stored(self, count: int, sharpness: float, overexposed: float) -> None:
        """The view at work is stored, with these measures; so many of the scene's are."""
        self.now = replace(self.now, stored=count, sharpness=sharpness, overexposed=overexposed)
        self.state("storing", f"view {self.now.view} is stored")

    def skipped(self, count: int, reason: str) -> None:
        """The view at work is given up; so many of the scene's are."""
        self.now = replace(self.now, skipped=count)
        self.state("skipped", f"view {self.now.view}: {reason}")

    def state(self, state: str, detail: str = "") -> None:
        """What is being done, and why where there is a reason."""
        if state in ("waiting_for_operator", "rearranging", "finishing"):
            self._end_view()
        self.now = replace(self.now, state=state, detail=detail)
        self.now = replace(self.now, eta=self._eta())
        self._publish(self.now)

    def _end_view(self) -> None:
        if self._view_began is not None:
            self._busy += self._clock() - self._view_began
            self._handled += 1
            self._view_began = None

    def _eta(self) -> float:
        if not self._handled:
            return -1.0
        here = max(0, self.now.views - self.now.stored - self.now.skipped)
        left = here + self.now.views * max(0, self.now.scenes - self.now.scene)
        return left * self._busy / self._handled
