"""What all synthesisers share: processes that render, settings that must not mix, going on after an interruption."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from datasets.atomic import whole_file
from datasets.json_file import read_json
from datasets.recorded import SYNTHESIS_NOTE
from datasets.scene import DatasetError, Scene
from datasets.synthesis.layouts import LAYOUTS
from datasets.synthesis.path_tracing import import_mitsuba


@dataclass(frozen=True)
class Settings:
    """What all scenes of a dataset have in common.

    Attributes:
        size: height and width of the images, pixels.
        layout: one of the synthesiser's `layouts`.
        renderer: one of its `renderers`.
        near_views: cameras of a scene keep within a random part of all viewpoints, around one that is the same for all
            scenes.
    """

    views: int
    seed: int
    size: int
    layout: str
    renderer: str = "mujoco"
    near_views: bool = False


@dataclass(frozen=True)
class Synthesiser:
    """A kind of procedural scenes.

    Attributes:
        kind: its name, which its datasets bear.
        renderers: by name, (size in pixels) -> what one process renders scene after scene with; the usual one first.
        make_scene: (renderer, seed, index, views, near_views) -> scene `index` of the dataset of that seed: the same
            whatever was rendered before it, in whichever process.
        layouts: the layouts (`layouts.LAYOUTS`) its scenes can be written in, the usual one first.
    """

    kind: str
    renderers: Mapping[str, Callable[[int], AbstractContextManager]]
    make_scene: Callable[[Any, int, int, int, bool], Scene]
    layouts: tuple[str, ...] = ("h5",)

    def write(
        self,
        out: Path,
        scenes: int,
        settings: Settings,
        workers: int,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Write scenes to the folder `out`, by so many processes.

        The last tenth of the scenes makes the test split. Deterministic in the seed, whatever the number of workers. An
        interrupted synthesis goes on when it is called again with the same settings.

        Args:
            progress: called with the number of scenes that have been finished since its last call.

        Raises:
            DatasetError: the folder holds scenes that were synthesised with other settings, or cannot be written; or
                the renderer is not installed.
        """
        if settings.renderer == "mitsuba":
            import_mitsuba()  # or every worker would fail without a reason
        _claim(out, {"kind": self.kind, **asdict(settings)})
        open_renderer = self.renderers[settings.renderer]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _start_worker, (open_renderer, settings.size)) as pool:
            for _ in pool.map(partial(_write, self.make_scene, out, settings), range(scenes)):
                progress(1)
        tests = max(1, scenes // 10) if scenes > 1 else 0
        splits = {"train": range(scenes - tests), "test": range(scenes - tests, scenes)}
        LAYOUTS[settings.layout].finish(out, self.kind, settings.views, splits)


_renderer: AbstractContextManager | None = None


def _start_worker(open_renderer: Callable[[int], AbstractContextManager], size: int) -> None:
    global _renderer
    _renderer = open_renderer(size)


def _write(make_scene: Callable[..., Scene], out: Path, settings: Settings, index: int) -> None:
    layout = LAYOUTS[settings.layout]
    path = layout.scene_file(out, index)
    if not path.exists():  # a scene's file is whole once it has its name: an interrupted synthesis goes on from here
        layout.write(path, make_scene(_renderer, settings.seed, index, settings.views, settings.near_views))


def _claim(out: Path, settings: dict[str, int | str | bool]) -> None:
    """Note the settings in the folder, so that scenes of different ones are never mixed."""
    note = out / SYNTHESIS_NOTE
    if note.exists() and (earlier := read_json(note, "choose another folder")) != settings:
        raise DatasetError(f"{out}: holds scenes of {earlier}, not {settings}; choose another folder")
    with whole_file(note) as temporary:
        temporary.write_text(json.dumps(settings))
