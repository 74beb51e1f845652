"""The board as it is found in pictures and as it is printed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pypdfium2
import pytest
from board_views import LENS, camera_poses, picture
from scipy.spatial.transform import Rotation

from capture.calibration.board import BOARD, Board, Detection
from capture.calibration.board_pdf import write_board_pdf
from capture.calibration.sharpness import LARGEST_WIDTH, edge_width
from capture.errors import CalibrationError

POINTS_A_MM = 72 / 25.4


def test_corners_of_rendered_pictures_are_found_to_a_tenth_of_a_pixel() -> None:
    rng = np.random.default_rng(0)
    offsets = []
    for T_board_camera in camera_poses(rng, 6):
        T = np.linalg.inv(T_board_camera)
        detection = BOARD.detect(picture(T, rng))
        assert detection.usable
        rotation = Rotation.from_matrix(T[:3, :3]).as_rotvec()
        truth, _ = cv2.projectPoints(detection.object_points, rotation, T[:3, 3], LENS.K, None)
        offsets.append(detection.corners - truth[:, 0])
    offsets = np.concatenate(offsets)
    assert np.sqrt((offsets**2).sum(1).mean()) < 0.1
    assert np.abs(offsets.mean(0)).max() < 0.02  # pixel centres are at integers


def test_corners_of_a_half_hidden_board_keep_their_ids() -> None:
    pattern = np.pad(BOARD.image(4), ((40, 40), (40, 40), (0, 0)), constant_values=255)
    whole, half = BOARD.detect(pattern), BOARD.detect(pattern[:, : pattern.shape[1] // 2])
    assert len(whole.ids) == len(BOARD.object_points)
    assert 6 <= len(half.ids) < len(whole.ids)
    for i, corner in zip(half.ids, half.corners, strict=True):
        assert corner == pytest.approx(whole.corners[list(whole.ids).index(i)], abs=0.1)


def test_picture_without_a_board_gives_an_empty_detection() -> None:
    detection = BOARD.detect(np.full((480, 640, 3), 128, np.uint8))
    assert detection.corners.shape == (0, 2) and detection.object_points.shape == (0, 3)
    assert not detection.usable


def test_corners_on_one_line_do_not_tell_where_the_board_is() -> None:
    row = BOARD.object_points[:6]
    assert not Detection(np.arange(6), row[:, :2] * 1000, row, 640, 480).usable


@pytest.mark.parametrize("blur", ["focus", "motion along x", "motion along y"])
def test_blur_widens_the_edges(blur: str) -> None:
    rng = np.random.default_rng(0)
    sharp = picture(np.linalg.inv(camera_poses(rng, 1, tilt=10, roll=0)[0]), rng)
    kernel = np.ones((1, 5)) / 5 if blur == "motion along x" else np.ones((5, 1)) / 5
    blurred = cv2.GaussianBlur(sharp, (0, 0), 1.4) if blur == "focus" else cv2.filter2D(sharp, -1, kernel)
    assert edge_width(sharp, BOARD.detect(sharp), BOARD) < 2
    assert edge_width(blurred, BOARD.detect(blurred), BOARD) > LARGEST_WIDTH


def test_page_is_a4(tmp_path: Path) -> None:
    import re

    write_board_pdf(tmp_path / "board.pdf", BOARD)
    box = re.search(rb"/MediaBox \[([^\]]+)\]", (tmp_path / "board.pdf").read_bytes())
    assert [float(number) for number in box[1].split()] == pytest.approx([0, 0, 297 * POINTS_A_MM, 210 * POINTS_A_MM])


@pytest.mark.parametrize("square", [0.030, 0.025])
def test_printed_squares_have_their_size_on_paper(tmp_path: Path, square: float) -> None:
    board = Board(square=square, marker=square * 0.7)
    write_board_pdf(tmp_path / "board.pdf", board)
    pixels_per_mm = 8
    page = pypdfium2.PdfDocument(tmp_path / "board.pdf")[0].render(pixels_per_mm * 25.4 / 72, rev_byteorder=True)
    detection = board.detect(page.to_numpy())
    assert len(detection.ids) == len(board.object_points)
    from_first = (detection.corners - detection.corners[0]) / pixels_per_mm / 1000
    pixel = 1 / pixels_per_mm / 1000  # a page is drawn with whole pixels
    assert from_first == pytest.approx((detection.object_points - detection.object_points[0])[:, :2], abs=pixel)


def test_board_that_does_not_fit_the_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="does not fit on A4"):
        write_board_pdf(tmp_path / "board.pdf", Board(square=0.05, marker=0.035))
