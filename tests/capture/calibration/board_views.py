"""Views of the board with known truth: exact projections and noise, or rendered pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from capture.calibration.board import BOARD, Board, Detection
from capture.calibration.hand_eye import View
from capture.calibration.view_folder import Setup, ViewFolder
from capture.cameras.camera import Intrinsics

WIDTH, HEIGHT = 640, 480
LENS = Intrinsics(
    np.array([[612.0, 0, 317.5], [0, 610.5, 242.0], [0, 0, 1]]), np.array([0.08, -0.15, 0, 0, 0]), WIDTH, HEIGHT
)
PINHOLE = replace(LENS, distortion=np.zeros(5))  # of the rendered pictures


def transform(rotation_vector: np.ndarray, translation: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec(rotation_vector).as_matrix()
    T[:3, 3] = translation
    return T


T_TOOL_CAMERA = transform(np.array([0.1, -0.2, 1.5]), np.array([0.03, -0.05, 0.06]))
T_BASE_BOARD = transform(np.array([3.1, 0.05, 0.02]), np.array([0.5, 0.1, 0.01]))


def camera_poses(rng: np.random.Generator, count: int, tilt: float = 40, roll: float = 45) -> list[np.ndarray]:
    """T_board_camera of cameras that look at about the board's middle from 0.3 to 0.5 m; tilt and roll in degrees."""
    middle = np.array([BOARD.width / 2, BOARD.height / 2, 0])
    poses = []
    for _ in range(count):
        axis = rng.uniform(0, 2 * np.pi)
        tilted = np.deg2rad(tilt) * np.sqrt(rng.uniform()) * np.array([np.cos(axis), np.sin(axis), 0])
        turn = transform(tilted, np.zeros(3)) @ transform([0, 0, np.deg2rad(rng.uniform(-roll, roll))], np.zeros(3))
        aim = transform(np.zeros(3), middle + rng.normal(0, 0.02, 3) * [1, 1, 0])
        poses.append(aim @ turn @ transform(np.zeros(3), [0, 0, -rng.uniform(0.3, 0.5)]))
    return poses


def detection(
    T_camera_board: np.ndarray,
    rng: np.random.Generator,
    pixels: float = 0.1,
    scale: float = 1.0,
    lens: Intrinsics = LENS,
) -> Detection:
    """What a camera sees of a board that is `scale` times its stated size, with noise on every corner."""
    points = BOARD.object_points
    rotation = Rotation.from_matrix(T_camera_board[:3, :3]).as_rotvec()
    seen, _ = cv2.projectPoints(points * scale, rotation, T_camera_board[:3, 3], lens.K, lens.distortion)
    corners = seen[:, 0] + rng.normal(0, pixels, (len(points), 2))
    inside = ((corners > 2) & (corners < [lens.width - 3, lens.height - 3])).all(1)
    ids = np.flatnonzero(inside)
    return Detection(ids, corners[ids], points[ids], lens.width, lens.height)


def hand_eye_views(
    seed: int,
    count: int = 20,
    degrees: float = 0.1,
    millimetres: float = 0.5,
    poses: list[np.ndarray] | None = None,
    scale: float = 1.0,
) -> list[View]:
    """Views through T_TOOL_CAMERA, with errors of the arm's poses about and along each axis."""
    rng = np.random.default_rng(seed)
    views = []
    for number, T_board_camera in enumerate(poses or camera_poses(rng, count)):
        T_base_tool = T_BASE_BOARD @ T_board_camera @ np.linalg.inv(T_TOOL_CAMERA)
        told = T_base_tool @ transform(rng.normal(0, np.deg2rad(degrees), 3), rng.normal(0, millimetres / 1000, 3))
        views.append(View(str(number), told, detection(np.linalg.inv(T_board_camera), rng, scale=scale)))
    return views


def error(T: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Degrees and millimetres."""
    turn = Rotation.from_matrix(T[:3, :3] @ truth[:3, :3].T).magnitude()
    return float(np.rad2deg(turn)), float(1000 * np.linalg.norm(T[:3, 3] - truth[:3, 3]))


def picture(T_camera_board: np.ndarray, rng: np.random.Generator, board: Board = BOARD) -> np.ndarray:
    """A rendered picture uint8 [H,W,3] of the board on a grey table, by a lens of LENS.K without distortion."""
    per_mm, margin, fine = 4, 60, 3
    pattern = np.pad(board.image(per_mm), ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    texture_to_board = np.array([[1, 0, 0.5 - margin], [0, 1, 0.5 - margin], [0, 0, 1000 * per_mm]]) / (1000 * per_mm)
    board_to_picture = LENS.K @ np.column_stack([T_camera_board[:3, :2], T_camera_board[:3, 3]])
    to_fine = np.array([[fine, 0, (fine - 1) / 2], [0, fine, (fine - 1) / 2], [0, 0, 1]])
    large = cv2.warpPerspective(
        pattern, to_fine @ board_to_picture @ texture_to_board, (WIDTH * fine, HEIGHT * fine), borderValue=(120,) * 3
    )
    small = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(float)
    return np.clip(0.8 * small + 20 + rng.normal(0, 2, small.shape), 0, 255).astype(np.uint8)


def write_views(
    path: Path, poses: list[np.ndarray], setup: Setup, T_tool_camera: np.ndarray = T_TOOL_CAMERA, seed: int = 1
) -> Path:
    """Rendered pictures, with poses of an arm that is off by 0.1 deg and 0.5 mm about and along each axis."""
    rng = np.random.default_rng(seed)
    folder = ViewFolder(path, setup)
    for T_board_camera in poses:
        off = transform(rng.normal(0, np.deg2rad(0.1), 3), rng.normal(0, 0.0005, 3))
        tool = T_BASE_BOARD @ T_board_camera @ np.linalg.inv(T_tool_camera) @ off
        folder.add(picture(np.linalg.inv(T_board_camera), rng), tool)
    return path
