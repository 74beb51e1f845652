"""The progress of a recording on a terminal: two bars, what is being done, and every skipped view."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as ProgressBars
from rich.text import Text

if TYPE_CHECKING:
    from capture.recording.progress import Progress

WORDS = {
    "planning": "planning the views",
    "rearranging": "rearranging the objects",
    "waiting_for_operator": "waiting for Enter",
    "moving": "moving",
    "settling": "coming to rest, then looking",
    "storing": "stored",
    "retrying": "trying again",
    "skipped": "skipped",
    "finishing": "writing the scene",
}
# Of what gets a line of its own
STYLES = {"planning": "dim", "waiting_for_operator": "bold yellow", "retrying": "yellow", "skipped": "red"}


class ProgressDisplay:
    """Shows RecordScenes' feedback and result, whose fields `Progress` and `Outcome` have. A context manager."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        columns = TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn()
        self._bars = ProgressBars(*columns, console=self._console)
        self._scenes = self._bars.add_task("scenes", total=None)
        self._views = self._bars.add_task("views", total=None)
        self._line = Text()
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8)
        self._last: tuple[int, int, str, str] | None = None
        self._finished = 0

    def __enter__(self) -> ProgressDisplay:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line = Text()
        self._live.__exit__(kind, error, trace)
        if not self._console.is_terminal:
            self._console.print()  # there, the bars end without a new line

    def show(self, feedback: Progress) -> None:
        """Take in new feedback."""
        self._finished = max(self._finished, feedback.scene - (feedback.state != "finishing"))
        self._bars.update(self._scenes, total=feedback.scenes, completed=self._finished)
        self._bars.update(self._views, total=feedback.views, completed=feedback.stored)
        self._line = Text(self._describe(feedback), style="dim")
        told = (feedback.scene, feedback.view, feedback.state, feedback.detail)
        if feedback.state in STYLES and feedback.detail and told != self._last:
            self._console.print(Text(_announce(feedback), style=STYLES[feedback.state]), soft_wrap=True)
        self._last = told

    def _render(self) -> Group:
        return Group(self._bars, self._line) if self._line else Group(self._bars)

    def stopping(self) -> None:
        self._line = Text("stopping the arm ...", style="bold yellow")

    def succeed(self, message: str) -> None:
        self._console.print(Text(message, style="green"))

    def fail(self, message: str) -> None:
        self._console.print(Text(f"error: {message}", style="bold red"), soft_wrap=True)

    def _describe(self, feedback: Progress) -> str:
        parts = [f"view {feedback.view}", WORDS.get(feedback.state, feedback.state)]
        if feedback.stored:
            parts.append(f"sharpness {feedback.sharpness:.2f}, {feedback.overexposed:.0%} over-exposed")
        if feedback.eta >= 0:
            parts.append(f"{_duration(feedback.eta)} left")
        return "   ".join(parts)


def _announce(feedback: Progress) -> str:
    if feedback.state == "planning":
        return feedback.detail
    if feedback.state == "waiting_for_operator":
        return f"Scene {feedback.scene}: {feedback.detail}. Then press Enter"
    return f"scene {feedback.scene}, view {feedback.view}: {WORDS[feedback.state]}: {feedback.detail}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
