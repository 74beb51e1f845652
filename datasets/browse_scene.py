"""A scene's page for `datasets.browse`: its pictures as files, and what the viewer's script draws over them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from datasets.camera import frusta
from datasets.page import TEMPLATES, page_template
from datasets.palette import object_colours
from datasets.recording_facts import RecordingFacts, readable
from datasets.scene import Scene
from datasets.table_grid import axis_lines, grid_lines, grid_step, picture_path

COPIED = ("page.css", "browse.css", "browse.js")  # shared by all pages, beside them
THUMBNAIL = 160  # pixels wide
JPEG_QUALITY = 90
FILL = 105  # of 255: the opacity of masks; their outlines are opaque


def write_scene_page(
    out: Path, name: str, dataset: str, scene: Scene, recording: RecordingFacts, around: dict[str, str | None]
) -> None:
    """Write `name`.html and the folder `name` with the scene's pictures into `out`.

    Args:
        around: the names of the `previous` and the `next` scene.

    Raises:
        OSError: they cannot be written.
    """
    folder = out / name
    folder.mkdir(exist_ok=True)
    for view in range(scene.num_views):
        _write_pictures(folder, scene, view)
    height, width = scene.image_size
    viewer = {
        "folder": name,
        "width": width,
        "height": height,
        "has_masks": scene.masks is not None,
        "has_thumbnails": width > THUMBNAIL,
        "quality": sorted(recording.quality),
        "views": [_view(scene, recording, view) for view in range(scene.num_views)],
        "world": _world(scene),
    }
    content = page_template(TEMPLATES / "browse_scene.html.j2").render(
        dataset=dataset, scene=scene, recording=recording, around=around, viewer=viewer, facts=_facts(scene, recording),
        objects=[describe(scene, i) for i in range(scene.num_objects)], events=[_event(e) for e in recording.journal],
    )  # fmt: skip
    (out / f"{name}.html").write_text(content, encoding="utf-8")


def describe(scene: Scene, i: int) -> dict[str, str]:
    """Object i's colour in pictures, as CSS has it, and what it is in words."""
    red, green, blue = object_colours(i + 1)[i]
    return {"colour": f"rgb({red},{green},{blue})", "words": scene.object_name(i)}


def _write_pictures(folder: Path, scene: Scene, view: int) -> None:
    from PIL import Image

    image = Image.fromarray(scene.images[view])
    small = image.width <= THUMBNAIL  # each of its pixels is seen: colours at full resolution
    image.save(folder / f"{view}.jpg", quality=97 if small else JPEG_QUALITY, subsampling=0 if small else 2)
    if not small:
        size = (THUMBNAIL, round(THUMBNAIL * image.height / image.width))
        image.resize(size, Image.Resampling.LANCZOS).save(folder / f"{view}_small.jpg", quality=JPEG_QUALITY)
    if scene.masks is not None:
        _mask_picture(scene.masks[view], scene.num_objects).save(folder / f"{view}_mask.png", optimize=True)


def _mask_picture(mask: np.ndarray, objects: int) -> Any:
    """Each object in its colour, transparent, with an opaque outline; a PNG with a palette."""
    from PIL import Image
    from scipy.ndimage import maximum_filter, minimum_filter

    thickness = 3 if mask.shape[1] > 2 * THUMBNAIL else 1
    inside = maximum_filter(mask, 2 * thickness - 1) == minimum_filter(mask, 2 * thickness - 1)
    count = min(max(objects, int(mask.max())), 127)
    picture = Image.fromarray(np.where((mask > 0) & ~inside, np.minimum(mask, count) + count, np.minimum(mask, count)))
    colours = object_colours(count)
    picture = picture.convert("P")
    picture.putpalette(np.concatenate([np.zeros((1, 3), np.uint8), colours, colours]).tobytes())
    picture.info["transparency"] = bytes([0, *[FILL] * count, *[255] * count])
    return picture


def _view(scene: Scene, recording: RecordingFacts, view: int) -> dict[str, Any]:
    """What the script shows of a view."""
    told: dict[str, Any] = {"quality": [_number(recording.quality[name][view]) for name in sorted(recording.quality)]}
    if recording.view_numbers:
        told["number"] = recording.view_numbers[view]
    if scene.stamps is not None:
        told["stamp"] = _time(scene.stamps[view])
        told["since"] = round(float(scene.stamps[view] - scene.stamps[0]), 3)
    if scene.T_world_camera is not None:
        told["position"] = [round(float(x), 4) for x in scene.T_world_camera[view, :3, 3]]
        if scene.K is not None:
            told["grid"] = picture_path(scene, view, grid_lines(scene))
            told["axes"] = [picture_path(scene, view, axis[None]) for axis in axis_lines(scene)]
    return told


def _world(scene: Scene) -> dict[str, Any] | None:
    """What the turning plot shows, metres."""
    if scene.T_world_camera is None:
        return None
    objects = [
        {"position": o["position"], "colour": describe(scene, i)["colour"]}
        for i, o in enumerate(scene.objects)
        if "position" in o
    ]
    return {
        "frusta": np.round(frusta(scene), 4).tolist(),
        "grid": np.round(grid_lines(scene), 4).tolist(),
        "axes": axis_lines(scene).tolist(),
        "step": float(grid_step(scene)),
        "objects": objects,
    }


def _facts(scene: Scene, recording: RecordingFacts) -> dict[str, str]:
    height, width = scene.image_size
    has = [name for name in ("masks", "amodal_masks", "depth", "distortion") if getattr(scene, name) is not None]
    facts = {"views": f"{scene.num_views} of {width} × {height}", "with": ", ".join(has).replace("_", " ")}
    if scene.stamps is not None:
        facts["recorded"] = _time(scene.stamps[0])
    if scene.K is not None:
        facts["focal length"] = f"{scene.K[0, 0, 0]:.1f} px"
    told = scene.meta if not recording.facts else {}
    flat = {name: value for name, value in told.items() if isinstance(value, str | int | float)}
    return {name: value for name, value in (facts | readable(flat) | readable(recording.facts)).items() if value}


def _event(event: dict[str, Any]) -> dict[str, str]:
    """A journal's line: when, what, and the rest as text."""
    rest = {name: value for name, value in event.items() if name not in ("time", "event")}
    when = event.get("time")
    return {
        "time": _time(when).partition(" ")[2] if isinstance(when, int | float) else "",
        "event": str(event.get("event", "")),
        "rest": ", ".join(f"{name}: {_short(value)}" for name, value in rest.items()),
    }


def _short(value: Any, limit: int = 300) -> str:
    text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= limit else f"{text[:limit]} ..."


def _time(stamp: float) -> str:
    """Unix time as text, UTC; plain seconds where it is no time of the day (simulated time)."""
    if not 1e8 < stamp < 1e11:
        return f"at {stamp:.3f} s"
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None
