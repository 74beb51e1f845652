"""Poses: their parts, their inverse, and the numbers that files hold."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.poses import inverse, numbers_of_pose, pose_of_numbers

QUARTER = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))  # about z, xyzw


def test_a_quarter_turn_takes_x_to_y() -> None:
    T = pose_of_numbers((1, 2, 3), QUARTER)
    assert T @ [1, 0, 0, 1] == pytest.approx([1, 3, 3, 1])


def test_numbers_come_back() -> None:
    numbers = (0.1, -0.2, 0.3, *QUARTER)
    assert numbers_of_pose(pose_of_numbers(numbers[:3], numbers[3:])) == pytest.approx(numbers)


def test_a_pose_and_its_inverse_undo_each_other() -> None:
    T = pose_of_numbers((1, 2, 3), (0.1, 0.7, -0.1, 0.7))
    assert inverse(T) @ T == pytest.approx(np.eye(4))


def test_a_quaternion_of_zeros_is_refused() -> None:
    with pytest.raises(ValueError):
        pose_of_numbers((0, 0, 0), (0, 0, 0, 0))
