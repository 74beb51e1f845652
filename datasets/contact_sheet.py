"""A picture of a dataset: scenes as rows, views as columns, and under every image its masks in the objects' colours.

Scenes of one view stand beside each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.atomic import whole_file
from datasets.palette import INK, MUTED, PAGE, object_colours
from datasets.scene import Scene
from datasets.scene_dataset import SceneDataset, spread

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

TILE = 120  # pixels that a view is wide
MARGIN, GAP, TIGHT = 28, 22, 4  # around the sheet, between scenes, between tiles
GUTTER = 168  # for the scene's name and its objects, left of the tiles
ABREAST = 4  # scenes of one view in a row
LINE = "#d3d8e0"
_FINE = 3  # masks are drawn this much finer, for smooth outlines


def save_contact_sheet(dataset: SceneDataset, path: Path, scenes: int = 6, views: int = 10) -> int:
    """Write a PNG of up to `scenes` scenes, spread evenly over the dataset, and up to `views` views of each.

    Returns:
        How many scenes it shows.

    Raises:
        DatasetError: a scene cannot be read, or the picture cannot be written.
    """
    shown = [dataset[int(i)] for i in spread(len(dataset), scenes)]
    sheet = _draw(dataset, shown, views)
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG")
    return len(shown)


def _draw(dataset: SceneDataset, scenes: list[Scene], views: int) -> Image.Image:
    from PIL import Image, ImageDraw

    rows = [_scene_row(scene, views) for scene in scenes]
    columns = min(ABREAST, len(rows)) if all(scene.num_views == 1 for scene in scenes) else 1
    lines = [range(first, min(first + columns, len(rows))) for first in range(0, len(rows), columns)]
    heights = [max(rows[i].height for i in line) for line in lines]
    step = GUTTER + max(row.width for row in rows) + GAP
    top = MARGIN + 66
    width = 2 * MARGIN + columns * step - GAP
    height = top + sum(heights) + GAP * (len(lines) - 1) + MARGIN
    sheet = Image.new("RGB", (width, height), PAGE)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 6), dataset.name, INK, _font(24))
    pen.text((MARGIN, MARGIN + 28), _subtitle(dataset, scenes), MUTED, _font(14))
    y = top
    for line, line_height in zip(lines, heights, strict=True):
        pen.line((MARGIN, y - GAP // 2, width - MARGIN, y - GAP // 2), LINE)
        for column, i in enumerate(line):
            x = MARGIN + column * step
            _label(pen, scenes[i], x, y, rows[i].height)
            sheet.paste(rows[i], (x + GUTTER, y))
        y += line_height + GAP
    return sheet


def _subtitle(dataset: SceneDataset, scenes: list[Scene]) -> str:
    height, width = scenes[0].image_size
    held = f"{dataset.split}: " if dataset.split else ""
    shown = f"{len(scenes)} of " if len(scenes) < len(dataset) else ""
    count = f"{len(dataset)} scene{'s' if len(dataset) > 1 else ''}"
    views = f"{scenes[0].num_views} view{'s' if scenes[0].num_views > 1 else ''}"
    return f"{dataset.kind}   ·   {held}{shown}{count}   ·   {views} of {width} x {height}"


def _label(pen: ImageDraw.ImageDraw, scene: Scene, left: int, top: int, height: int) -> None:
    """The scene's name and the legend of its objects."""
    pen.text((left, top), scene.name, INK, _font(14))
    line = 19
    room = max(0, (height - 26) // line)
    objects = [scene.object_name(i) for i in range(scene.num_objects)]
    if len(objects) > room:
        objects = [*objects[: room - 1], f"and {len(objects) - room + 1} more"] if room else []
    colours = object_colours(max(scene.num_objects, 1))
    for i, text in enumerate(objects):
        y = top + 26 + i * line
        if not text.startswith("and "):
            pen.rounded_rectangle((left, y + 1, left + 11, y + 12), 3, tuple(int(c) for c in colours[i]))
        pen.text((left + 19, y - 1), text, MUTED, _font(12))


def _scene_row(scene: Scene, views: int) -> Image.Image:
    from PIL import Image

    height, width = scene.image_size
    size = (TILE, max(1, round(TILE * height / width)))
    chosen = spread(scene.num_views, views)
    lines = 1 if scene.masks is None else 2
    row = Image.new("RGB", (len(chosen) * (TILE + TIGHT) - TIGHT, lines * (size[1] + TIGHT) - TIGHT), PAGE)
    colours = object_colours(max(scene.num_objects, 1))
    for column, view in enumerate(chosen):
        x = column * (TILE + TIGHT)
        image = Image.fromarray(scene.images[view])
        row.paste(image.resize(size, Image.Resampling.LANCZOS), (x, 0))
        if scene.masks is not None:
            row.paste(_overlay(image, scene.masks[view], colours, size), (x, size[1] + TIGHT))
    return row


def _overlay(image: Image.Image, mask: np.ndarray, colours: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The image in pale grey under the objects' colours, each object with an outline in its full colour."""
    from PIL import Image

    fine = (size[0] * _FINE, size[1] * _FINE)
    grey = np.asarray(image.convert("L").resize(fine, Image.Resampling.LANCZOS), np.float32)
    picture = np.repeat(grey[..., None] * 0.55 + 255 * 0.45, 3, axis=2)
    ids = _enlarge(mask, fine)
    for i in range(len(colours)):
        inside = ids == i + 1
        picture[inside] = picture[inside] * 0.45 + colours[i] * 0.55
        picture[inside & ~_shrink(inside, _FINE + 1)] = colours[i]
    return Image.fromarray(picture.round().clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)


def _enlarge(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Ids [H,W] at another size, with smooth borders: each pixel takes the id that weighs most there."""
    from PIL import Image

    ids = np.unique(mask)
    layers = [Image.fromarray((mask == i).astype(np.float32)).resize(size, Image.Resampling.BICUBIC) for i in ids]
    return ids[np.argmax([np.asarray(layer) for layer in layers], axis=0)]


def _shrink(region: np.ndarray, by: int) -> np.ndarray:
    """The pixels of a region that lie further than `by` pixels from its border."""
    from scipy.ndimage import binary_erosion

    return binary_erosion(region, iterations=by, border_value=1)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
