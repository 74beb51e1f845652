"""Points that two pictures of a scene share, found without knowing where the camera was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.scene import Scene

SPANS = (1, 2)  # a view is matched with the next one and the one after it
RATIO = 0.8  # Lowe's: a match must be so much better than the second best
INLIER = 1.0  # pixels that a verified match may be off
MIN_INLIERS, MIN_SHARE = 12, 0.5  # matches of a pair that must agree with one motion; fewer agree by chance
MOVED = 1.0  # pixels; what moves less may be fixed to the camera (a finger of the gripper, dirt on the lens)
FEATURES = 800
CONTRAST = 0.02  # half of SIFT's default, as table tops show little


@dataclass(frozen=True)
class Correspondences:
    """M matched points that agree with a rigid motion between their two pictures, whatever motion that is.

    Attributes:
        first, second: int [M], the views.
        p, q: float64 [M,3], the points in `first` and `second` as directions (x, y, 1) of an ideal camera.
        focal: pixels.
    """

    first: np.ndarray
    second: np.ndarray
    p: np.ndarray
    q: np.ndarray
    focal: float

    def __len__(self) -> int:
        return len(self.first)


def find_correspondences(scene: Scene) -> Correspondences:
    """Match SIFT features of neighbouring views and keep what an essential matrix explains, pair by pair.

    Nister, "An efficient solution to the five-point relative pose problem", PAMI 2004, in OpenCV's MAGSAC++.
    """
    import cv2

    sift = cv2.SIFT_create(nfeatures=FEATURES, contrastThreshold=CONTRAST)
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in scene.images]
    features = [sift.detectAndCompute(grey, None) for grey in greys]
    rays = [_rays(scene, view, keypoints) for view, (keypoints, _) in enumerate(features)]
    focal = float(scene.K[0, 0, 0])
    found = [(np.empty(0, int), np.empty(0, int), np.empty((0, 3)), np.empty((0, 3)))]
    for first in range(scene.num_views):
        for second in (first + span for span in SPANS if first + span < scene.num_views):
            matched = _mutual_matches(features[first][1], features[second][1])
            p, q = rays[first][matched[:, 0]], rays[second][matched[:, 1]]
            moved = np.linalg.norm(p - q, axis=1) * focal > MOVED
            p, q = p[moved], q[moved]
            kept = _rigid(p, q, focal)
            found.append((np.full(kept.sum(), first), np.full(kept.sum(), second), p[kept], q[kept]))
    return Correspondences(*(np.concatenate(part) for part in zip(*found, strict=True)), focal)


def _rays(scene: Scene, view: int, keypoints: tuple) -> np.ndarray:
    """Directions (x, y, 1) [N,3] of an ideal camera."""
    import cv2

    if not keypoints:
        return np.empty((0, 3))
    pixels = np.array([point.pt for point in keypoints], np.float64)
    distortion = scene.distortion_of(view)
    ideal = cv2.undistortPoints(pixels, scene.K[view], np.zeros(5) if distortion is None else distortion)[:, 0]
    return np.column_stack([ideal, np.ones(len(ideal))])


def _mutual_matches(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray:
    """Indices [N,2] of descriptors that are each other's nearest, and clearly so."""
    import cv2

    if first is None or second is None or len(second) < 2:
        return np.empty((0, 2), int)
    matcher = cv2.BFMatcher()
    back = {match.queryIdx: match.trainIdx for match in matcher.match(second, first)}
    forth = matcher.knnMatch(first, second, k=2)
    pairs = [(m.queryIdx, m.trainIdx) for m, other in forth if m.distance < RATIO * other.distance]
    return np.array([pair for pair in pairs if back[pair[1]] == pair[0]], int).reshape(-1, 2)


def _rigid(p: np.ndarray, q: np.ndarray, focal: float) -> np.ndarray:
    """Which matches agree with the one motion that explains most, bool [N]; none where too few do."""
    import cv2

    none = np.zeros(len(p), bool)
    if len(p) < MIN_INLIERS:
        return none
    _, kept = cv2.findEssentialMat(p[:, :2], q[:, :2], np.eye(3), cv2.USAC_MAGSAC, 0.999, INLIER / focal)
    kept = none if kept is None else kept.ravel().astype(bool)
    return kept if kept.sum() >= max(MIN_INLIERS, MIN_SHARE * len(p)) else none
