"""What the checks found in all scenes of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Findings:
    """What was found in all scenes.

    Attributes:
        problems: what makes the dataset bad, one line each. Empty: it is sound.
        notes: what deserves a look, and is no fault.
        scenes: how many scenes could be read.
        views, image_sizes, objects: how many scenes have so many views, such images (height, width), so many objects.
        visible_pixels: of every object in every view that shows it.
        hidden: in how many views an object is fully hidden.
        centre_errors: pixels between an object's projected centre and where its mask says it is.
        identity_views, identity_agrees: views whose ids were compared with projected positions, and those that agree.
        epipolar_errors: of each scene that could be judged: by how much matched points of neighbouring pictures miss
            the epipolar lines that the poses give; the median, in pixels of a picture 640 wide.
        table_errors: metres, of each view whose depth shows a table: how far off it is from the one that most show.
        unjudged: scenes with poses that the pictures could neither confirm nor refute.
        unproven: scenes of several views with poses that neither pictures nor depth nor objects' positions could.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scenes: int = 0
    views: Counter[int] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    objects: Counter[int] = field(default_factory=Counter)
    visible_pixels: list[int] = field(default_factory=list)
    hidden: int = 0
    centre_errors: list[float] = field(default_factory=list)
    identity_views: int = 0
    identity_agrees: int = 0
    epipolar_errors: list[float] = field(default_factory=list)
    table_errors: list[float] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        if self.problems:
            more = len(self.problems)
            return f"not sound: {more} problem{'s' if more > 1 else ''}, {self.scenes} scenes could be read"
        if self.unproven:
            return (
                f"sound, but the poses of {len(self.unproven)} of {self.scenes} scenes are unproven: "
                f"{listed(self.unproven)}; to have them proven, place patterned objects or record depth"
            )
        return f"sound: all {self.scenes} scenes can be read and agree with themselves"


def listed(items: Iterable[object]) -> str:
    """The first five, and how many more there are."""
    words = [str(item) for item in items]
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
