"""Pages to look through a dataset in a browser: an overview, and for each scene a viewer. They need no network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets.browse_scene import COPIED, describe, write_scene_page
from datasets.page import TEMPLATES, page_template
from datasets.recording_facts import RecordingFacts, readable, recorded_files, recording_facts, unfinished_scenes
from datasets.scene import DatasetError, Scene
from datasets.scene_dataset import SceneDataset, spread

PREVIEW = (160, 4)  # pixels that a picture of a scene's preview is wide, and how many there are


def write_pages(dataset: SceneDataset, out: Path, progress: Callable[[int], None] = lambda scenes: None) -> Path:
    """Write index.html, a page and a folder of pictures for each scene, and what they share, to the folder `out`.

    Scenes that cannot be read are named on the overview.

    Args:
        progress: called with the number of scenes that have been written since its last call.

    Returns:
        The path of the overview.

    Raises:
        DatasetError: the folder cannot be written, or is the dataset's own.
    """
    if out.resolve() == dataset.root:
        raise DatasetError(f"{out}: is the dataset's own folder; choose another one for its pages")
    try:
        return _write(dataset, out, progress)
    except OSError as error:
        where, reason = error.filename2 or error.filename or out, error.strerror or error  # of a copy, not the original
        raise DatasetError(f"{where}: cannot be written ({reason}); see to space and permissions there") from error


def _write(dataset: SceneDataset, out: Path, progress: Callable[[int], None]) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(TEMPLATES / name, out / name)
    recorded = recorded_files(dataset)
    names = [f"{index:06d}" for index in range(len(dataset))]  # whatever the scenes are called
    cards, unreadable = [], []
    for index, name in enumerate(names):
        try:
            scene = dataset[index]
            recording = recording_facts(recorded[index]) if recorded else RecordingFacts.none()
        except DatasetError as error:
            unreadable.append(str(error))
        else:
            around = {"previous": names[index - 1] if index else None, "next": (names + [None])[index + 1]}
            write_scene_page(out, name, dataset.name, scene, recording, around)
            cards.append(_card(out, name, scene, recording))
        progress(1)
    page = out / "index.html"
    content = page_template(TEMPLATES / "browse.html.j2").render(
        dataset=dataset, facts=_facts(dataset, cards), cards=cards, unreadable=unreadable,
        unfinished=unfinished_scenes(dataset.root),
    )  # fmt: skip
    page.write_text(content, encoding="utf-8")
    return page


def _card(out: Path, name: str, scene: Scene, recording: RecordingFacts) -> dict[str, Any]:
    """What the overview shows of a scene; its preview is written here."""
    from PIL import Image

    width, count = PREVIEW
    size = (width, round(width * scene.image_size[0] / scene.image_size[1]))
    chosen = spread(scene.num_views + 1, min(count, scene.num_views) + 1)[:-1]  # evenly around, as cameras go around
    across = 2 if len(chosen) > 1 else 1
    preview = Image.new("RGB", (across * size[0], -(-len(chosen) // across) * size[1]))
    for i, view in enumerate(chosen):
        small = Image.fromarray(scene.images[view]).resize(size, Image.Resampling.LANCZOS)
        preview.paste(small, (i % across * size[0], i // across * size[1]))
    preview.save(out / name / "preview.jpg", quality=88)
    return {
        "name": name,
        "title": scene.name,
        "size": preview.size,
        "views": scene.num_views,
        "objects": [describe(scene, i) for i in range(scene.num_objects)],
        "skipped": len(recording.skipped),
        "facts": readable(recording.facts),
    }


def _facts(dataset: SceneDataset, cards: list[dict[str, Any]]) -> dict[str, str]:
    """What the dataset is, and what all its scenes have in common."""
    facts = {
        "kind": f"{dataset.kind}, {dataset.format} format",
        "scenes": str(len(dataset)) + (f" in {dataset.split}" if dataset.split else ""),
        "splits": ", ".join(f"{name} {count}" for name, count in dataset.splits.items()),
        "views": str(sum(card["views"] for card in cards)),
    }
    if cards:
        first, *others = [card["facts"] for card in cards]
        facts |= {name: value for name, value in first.items() if all(o.get(name) == value for o in others)}
    return facts
