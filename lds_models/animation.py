"""Scenes of a multi-view model as an animation: one view after another, those that it was not shown framed."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from datasets.palette import INK, MUTED
from lds_models.examples import SceneExample
from lds_models.pictures import View, views

PAPER, UNSEEN = "#ffffff", "#e8701a"
TILE, GAP, HEADING = 144, 10, 24  # pixels
SECONDS = 0.8  # that a view stays


def animated_views(scenes: Sequence[SceneExample]) -> bytes:
    """A GIF that runs for ever; a line for each scene with its pictures side by side, a frame for each view.

    A scene of fewer views than others begins again.
    """
    lines = [sorted(views(scene.explanation), key=lambda view: view.number) for scene in scenes]
    frames = [
        _frame([line[number % len(line)] for line in lines]) for number in range(max(len(line) for line in lines))
    ]
    strip = Image.fromarray(np.vstack([np.asarray(frame) for frame in frames]))
    palette = strip.quantize(255, Image.Quantize.MEDIANCUT)  # one, or colours flicker
    frames = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * SECONDS), loop=0, optimize=True
    )
    return buffer.getvalue()


def _frame(shown: Sequence[View]) -> Image.Image:
    columns = len(shown[0].pictures)
    width, height = GAP + columns * (TILE + GAP), len(shown) * (HEADING + TILE + GAP) + GAP
    frame = Image.new("RGB", (width, height), PAPER)
    pen, font = ImageDraw.Draw(frame), ImageFont.load_default(13)
    for line, view in enumerate(shown):
        top = GAP + line * (HEADING + TILE + GAP)
        for column, (name, picture) in enumerate(view.pictures.items()):
            left = GAP + column * (TILE + GAP)
            heading = name if column else f"view {view.number}, {'shown' if view.observed else 'unseen'}"
            pen.text((left, top + 2), heading, INK if not column else MUTED, font)
            frame.paste(Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.NEAREST), (left, top + HEADING))
            if not view.observed:
                corners = (left - 3, top + HEADING - 3, left + TILE + 2, top + HEADING + TILE + 2)
                pen.rectangle(corners, outline=UNSEEN, width=3)
    return frame
