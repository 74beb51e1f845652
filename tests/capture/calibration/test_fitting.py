"""What lens and hand-eye calibration share: leaving out views that do not belong, and grades by limits."""

from __future__ import annotations

import numpy as np
import pytest

from capture.calibration.fitting import MIN_VIEWS, Fit, fit_without_outliers, require_views
from capture.calibration.verdict import Finding, Verdict, exceeding
from capture.errors import CalibrationError


def median_of(values: np.ndarray, floor: float = 0.5) -> Fit[float]:
    """The median of numbers, without those that lie far from it: the simplest of fits."""

    def fit(kept: list[int]) -> tuple[float, np.ndarray]:
        middle = float(np.median(values[kept]))
        return middle, np.abs(values[kept] - middle)[:, None]

    return fit_without_outliers(len(values), fit, times=3.0, floor=[floor])


def test_all_views_are_kept_that_fit() -> None:
    found = median_of(np.linspace(0.9, 1.1, 10))
    assert (found.kept, found.dropped, found.more) == (list(range(10)), [], False)


def test_the_worst_view_goes_first_and_is_told_with_its_error() -> None:
    values = np.ones(12)
    values[[3, 7]] = 5.0, 9.0
    found = median_of(values)
    assert found.answer == 1.0
    assert found.kept == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]
    assert [(view, error.item()) for view, error in found.dropped] == [(7, 8.0), (3, 4.0)]
    assert not found.more


def test_no_more_than_a_fifth_is_left_out_and_the_rest_is_told() -> None:
    values = np.ones(15)
    values[:4] = 5.0, 6.0, 7.0, 8.0
    found = median_of(values)
    assert len(found.dropped) == 3 and found.more


def test_so_many_views_are_kept_in_any_case() -> None:
    values = np.ones(MIN_VIEWS)
    values[0] = 9.0
    found = median_of(values)
    assert len(found.kept) == MIN_VIEWS and found.more


def test_too_few_views_are_told_with_what_they_are_too_few_for() -> None:
    require_views(MIN_VIEWS, 20, "a lens")
    with pytest.raises(CalibrationError, match="3 of 20 views show the board well enough, and a lens needs 8"):
        require_views(3, 20, "a lens")


@pytest.mark.parametrize(
    ("measured", "grade"), [((0.1, 1.0), None), ((0.3, 1.0), "usable"), ((0.1, 6.0), "bad"), ((0.3, 6.0), "bad")]
)
def test_one_number_above_its_limit_makes_the_grade(measured: tuple[float, float], grade: str | None) -> None:
    found = exceeding(measured, (0.2, 1.5), (0.6, 5), "too far")
    assert found == ([] if grade is None else [Finding(grade, "too far")])


def test_a_verdict_is_the_worst_of_its_findings_and_keeps_their_order() -> None:
    findings = [Finding("usable", "few"), Finding("bad", "bent"), Finding("good", "one left out")]
    assert Verdict.of(findings) == Verdict("bad", ("few", "bent", "one left out"))
    assert Verdict.of([]) == Verdict("good")
