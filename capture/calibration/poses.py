"""Small arithmetic of poses, float64 [4,4]."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from capture.calibration.board import Detection
from capture.cameras.camera import Intrinsics
from datasets.camera import motion_between


def pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """A pose from a rotation, as a matrix [3,3] or a rotation vector [3] in rad, and a translation of 3 numbers."""
    T = np.eye(4)
    T[:3, :3] = rotation if np.shape(rotation) == (3, 3) else cv2.Rodrigues(np.ravel(rotation))[0]
    T[:3, 3] = np.ravel(translation)
    return T


def inverse(T: np.ndarray) -> np.ndarray:
    """Of a pose [4,4]."""
    return pose(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3])


def rotation_vector(T: np.ndarray) -> np.ndarray:
    """Rotation vector float64 [3] of a pose, or [N,3] of N poses [N,4,4], rad."""
    return Rotation.from_matrix(np.asarray(T)[..., :3, :3]).as_rotvec()


def difference(T: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """How far two poses are apart: degrees, and millimetres between their origins."""
    distance, angle = motion_between(T, other)
    return float(np.rad2deg(angle)), 1000 * distance


def mean_pose(poses: np.ndarray) -> np.ndarray:
    """Of N poses [N,4,4] that lie near one another: the chordal mean of the rotations, the mean of the origins."""
    return pose(Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix(), poses[:, :3, 3].mean(0))


def board_pose(detection: Detection, lens: Intrinsics) -> np.ndarray:
    """T_camera_board that brings the board's corners onto those seen; the detection must be usable."""
    points, corners = detection.object_points, detection.corners
    _, rotation, translation = cv2.solvePnP(points, corners, lens.K, lens.distortion, flags=cv2.SOLVEPNP_IPPE)
    rotation, translation = cv2.solvePnPRefineLM(points, corners, lens.K, lens.distortion, rotation, translation)
    return pose(rotation, translation)


def project(T_camera_board: np.ndarray, points: np.ndarray, lens: Intrinsics) -> np.ndarray:
    """Where points [N,3] of the board appear, float64 [N,2], pixels."""
    rotation, _ = cv2.Rodrigues(T_camera_board[:3, :3])
    return cv2.projectPoints(points, rotation, T_camera_board[:3, 3], lens.K, lens.distortion)[0][:, 0]
