"""The calibration board on A4 paper, at its exact size, with a bar to prove the print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capture.calibration.board import Board
from capture.errors import CalibrationError
from datasets.atomic import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE = (297.0, 210.0)  # mm, A4 landscape
MARGIN = 10.0  # mm that a printer leaves white, and that the pattern needs around it
FOOT = 32.0  # mm at the bottom, for ruler and text
RULER = 200  # mm


def write_board_pdf(path: Path, board: Board) -> None:
    """Write a page of A4 landscape with the board at scale 1:1.

    Raises:
        CalibrationError: the board does not fit on the page.
        DatasetError: the file cannot be written.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    width, height = 1000 * board.width, 1000 * board.height
    if width > PAGE[0] - 2 * MARGIN or height > PAGE[1] - MARGIN - FOOT:
        raise CalibrationError(
            f"a board of {width:.0f} x {height:.0f} mm does not fit on A4 ({PAGE[0] - 2 * MARGIN:.0f} x "
            f"{PAGE[1] - MARGIN - FOOT:.0f} mm): give smaller squares, or fewer"
        )
    figure = Figure(figsize=(PAGE[0] / 25.4, PAGE[1] / 25.4))
    axes = figure.add_axes((0, 0, 1, 1))  # its unit is a millimetre on the paper
    axes.set(xlim=(0, PAGE[0]), ylim=(0, PAGE[1]))
    axes.axis("off")
    left, bottom = (PAGE[0] - width) / 2, FOOT + (PAGE[1] - FOOT - MARGIN - height) / 2
    extent = (left, left + width, bottom, bottom + height)
    axes.imshow(board.image(), extent=extent, interpolation="none", aspect="auto")
    axes.set(xlim=(0, PAGE[0]), ylim=(0, PAGE[1]))
    _draw_ruler(axes)
    _draw_words(axes, board)
    with whole_file(path) as temporary:
        FigureCanvasPdf(figure).print_pdf(temporary, metadata={"Title": "lds_scenes calibration board"})


def _draw_ruler(axes: Axes) -> None:
    left, y = (PAGE[0] - RULER) / 2, 23.0
    axes.plot([left, left + RULER], [y, y], color="black", linewidth=0.6, solid_capstyle="butt")
    for mm in range(0, RULER + 1, 10):
        tick = 3.0 if mm % 50 == 0 else 1.5
        axes.plot([left + mm, left + mm], [y, y - tick], color="black", linewidth=0.6, solid_capstyle="butt")
        if mm % 50 == 0:
            unit = " mm" if mm == RULER else ""
            axes.text(left + mm, y - 3.8, f"{mm}{unit}", ha="center", va="top", fontsize=7)


def _draw_words(axes: Axes, board: Board) -> None:
    square, marker = 1000 * board.square, 1000 * board.marker
    text = (
        "Print at 100 % (\u201cactual size\u201d), never \u201cfit to page\u201d. Then measure: the bar above is "
        f"{RULER} mm, {board.columns} squares in a row are {1000 * board.width:g} mm.\n"
        "If it is off by more than 0.3 mm, print anew, or give the true size of a square (--square, in mm). "
        "Glue the page on something flat and stiff; it must not bend.\n"
        f"lds_scenes ChArUco board: {board.columns} x {board.rows} squares of {square:g} mm, "
        f"markers of {marker:g} mm, {board.dictionary}."
    )
    axes.text(PAGE[0] / 2, 13.2, text, ha="center", va="top", fontsize=7, linespacing=1.35)
