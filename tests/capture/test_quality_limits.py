"""The limits of quality at their values: a picture just within them is kept, one just beyond is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from capture.cameras.camera import Frame
from capture.quality import QualityCheck, QualityLimits, measure


def rows(below: int, above: int, count: int) -> np.ndarray:
    """100 rows of 100 pixels, of which `count` are of grey level `above`, and the others of level `below`."""
    image = np.full((100, 100, 3), below, np.uint8)
    image[:count] = above
    return image


def step(sigma: float) -> np.ndarray:
    """An edge as a lens of `sigma` pixels shows it."""
    edge = np.full((120, 120, 3), 40, np.uint8)
    edge[:, 60:] = 200
    return cv2.GaussianBlur(edge, (0, 0), sigma)


def reasons(check: QualityCheck, image: np.ndarray, stamp: float = 0.0) -> list[str]:
    return [reason.partition(":")[0] for reason in check.check(Frame(image, stamp), np.eye(4)).reasons]


@pytest.mark.parametrize(
    ("kept", "refused", "word"),
    [
        (rows(120, 255, 40), rows(120, 255, 41), "over-exposed"),  # 40 % of the pixels may be white
        (rows(200, 0, 80), rows(200, 0, 81), "under-exposed"),  # 80 % may be black
        (rows(14, 126, 10), rows(14, 122, 10), "under-exposed"),  # mean levels of 25.2 and 24.8; 25 is needed
        (step(1.2), step(1.3), "blurred"),  # sharpness 24.8 and 23.6; 24 is needed
    ],
)
def test_a_picture_is_kept_up_to_the_limit_and_refused_beyond(kept: np.ndarray, refused: np.ndarray, word: str) -> None:
    assert reasons(QualityCheck(), kept) == []
    assert reasons(QualityCheck(), refused) == [word]


def after_three(sigma: float) -> QualityCheck:
    """Three pictures were kept that a lens of `sigma` pixels took; only blur in relation to them is judged."""
    check = QualityCheck(QualityLimits(min_sharpness=1.0))
    for number in range(3):
        assert reasons(check, step(sigma), float(number)) == []
    return check


def test_a_picture_less_sharp_than_four_fifths_of_the_usual_is_refused() -> None:
    usual, within, beyond = 1.0, 1.4, 1.6
    shares = [measure(step(sigma))["sharpness"] / measure(step(usual))["sharpness"] for sigma in (within, beyond)]
    assert 0.8 < shares[0] < 0.85 and 0.75 < shares[1] < 0.8
    assert reasons(after_three(usual), step(within)) == []
    assert reasons(after_three(usual), step(beyond)) == ["blurred"]


def test_pictures_that_were_refused_do_not_become_the_usual() -> None:
    check = after_three(1.0)
    assert [reasons(check, step(2.0), 10.0 + number) for number in range(10)] == 10 * [["blurred"]]
