"""The demo's results: a contact sheet of overlays, and a page that needs nothing but itself."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.loading import open_dataset
from datasets.palette import INK, MUTED, PAGE
from perception.score import Measured

if TYPE_CHECKING:
    from PIL import Image

SHOWN = 18  # views on the sheet
COLUMNS = 6
GAP, MARGIN, CAPTION = 10, 28, 26
TILE = 230  # pixels that a view is wide on the sheet
TEMPLATES = Path(__file__).parent / "templates"


def summary(recording: Path, measured: Measured) -> list[tuple[str, str, str]]:
    """What is told first: name, value, and what it is."""
    return [_recorded(recording), *_perceived(measured)]


def _recorded(recording: Path) -> tuple[str, str, str]:
    scenes = list(open_dataset(recording))
    views = sum(scene.num_views for scene in scenes)
    seconds = sum(scene.meta["recording_seconds"] for scene in scenes)
    skipped = sum(len(scene.meta["skipped_views"]) for scene in scenes)
    what = f"of {len(scenes)} scenes in {seconds:.0f} s by the simulated arm; {skipped} skipped"
    return "Recorded", f"{views} views", what


def _perceived(measured: Measured) -> list[tuple[str, str, str]]:
    latency = np.percentile(measured.latencies, [50, 99]) * 1e3
    miou, found, true = (
        f"{np.mean(values):.{digits}f}" if values else "–"
        for values, digits in ((measured.miou, 3), (measured.objects, 1), (measured.true_objects, 1))
    )
    memory = "–" if measured.peak_memory_mb is None else f"{measured.peak_memory_mb:.0f} MB"
    lost = f"{measured.lost} of {measured.images} frames dropped for a newer one"
    merged = sum(measured.duplicates_merged)
    share = np.mean(np.array(measured.duplicates_merged) > 0) if measured.duplicates_merged else 0.0
    return [
        ("mIoU", miou, f"labels at camera resolution against the truth, {len(measured.miou)} views, one frame each"),
        ("Objects", found, f"a view on the mean; the truth shows {true}"),
        ("Latency", f"{latency[0]:.0f} ms", f"median from camera stamp to label received; p99 {latency[1]:.0f} ms"),
        ("Rate", f"{measured.label_rate:.1f} Hz", f"of the camera's {measured.image_rate:.1f} Hz; {lost}"),
        ("Duplicates merged", str(merged), f"slots, in {share:.0%} of the frames"),
        ("Peak memory", memory, "of the segmentation node"),
    ]


def write_report(
    facts: list[tuple[str, str, str]], measured: Measured, score: Path, weights: str, out: Path
) -> tuple[Path, Path]:
    """Write overlays.png and report.html into `out`, from the frames that a scorer left in the folder `score`.

    Args:
        facts: what is told first, see `summary`.

    Returns:
        The paths of both.
    """
    name = Path(weights).stem
    with np.load(score / "frames.npz", allow_pickle=False) as frames:
        chosen = np.linspace(0, len(frames["images"]) - 1, min(SHOWN, len(frames["images"]))).round().astype(int)
        images, truths, labels = (frames[name][chosen] for name in ("images", "truths", "labels"))
    views = [_View(*view) for view in zip(images, truths, labels, [measured.miou[i] for i in chosen], strict=True)]
    sheet, page = out / "overlays.png", out / "report.html"
    if views:
        _sheet(views, name).save(sheet)
    page.write_text(_render(facts, measured, views, name), encoding="utf-8")
    return sheet, page


class _View:
    """One frame: image, overlay of the truth and overlay of the labels, uint8 [H,W,3], and its mIoU."""

    def __init__(self, image: np.ndarray, truth: np.ndarray, labels: np.ndarray, miou: float) -> None:
        from perception.overlay import draw_overlay

        self.image, self.miou = image, miou
        self.truth, self.overlay = draw_overlay(image, truth), draw_overlay(image, labels)


def _sheet(views: list[_View], weights: str) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    height, width = views[0].image.shape[:2]
    size = (TILE, round(TILE * height / width))
    columns = min(COLUMNS, len(views))
    rows = -(-len(views) // columns)
    cell = (size[0] + GAP, 2 * size[1] + CAPTION + GAP)
    top = MARGIN + 58
    sheet = Image.new("RGB", (2 * MARGIN + columns * cell[0] - GAP, top + rows * cell[1] + MARGIN - GAP), PAGE)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 8), "Objects found", INK, ImageFont.load_default(24))
    note = f"{weights}   ·   above: the camera's image, below: the labels over it, each object in its id's colour"
    pen.text((MARGIN, MARGIN + 24), note, MUTED, ImageFont.load_default(14))
    for i, view in enumerate(views):
        x, y = MARGIN + i % columns * cell[0], top + i // columns * cell[1]
        for part, picture in enumerate((view.image, view.overlay)):
            resized = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
            sheet.paste(resized, (x, y + part * (size[1] + 2)))
        pen.text((x + 2, y + 2 * size[1] + 6), f"mIoU {view.miou:.2f}", MUTED, ImageFont.load_default(12))
    return sheet


def _render(facts: list[tuple[str, str, str]], measured: Measured, views: list[_View], weights: str) -> str:
    from markupsafe import Markup

    from datasets.page import page_template
    from lds_models import figures

    charts = {
        "Latency, stamp to label received": figures.histogram(1e3 * np.array(measured.latencies), "ms"),
        "mIoU of the views": figures.histogram(np.array(measured.miou), "mIoU"),
    }
    return page_template(TEMPLATES / "demo.html.j2", data_uri=_data_uri).render(
        weights=weights,
        summary=facts,
        views=views,
        charts={title: Markup(figures.themed_svg(figure, title)) for title, figure in charts.items()},
    )


def _data_uri(picture: np.ndarray) -> str:
    import cv2

    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
