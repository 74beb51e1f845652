"""Points that two pictures of a scene share, found without knowing where the camera was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from datasets.scene import Scene

SPANS = (1, 2)  # a view is matched with the next one and the one after it,
NEAREST, SAME_WAY = 4, np.cos(np.deg2rad(30))  # and with those that look most nearly the same way
RATIO = 0.8  # Lowe's: a match must be so much better than the second best
INLIER = 1.0  # pixels that a verified match may be off
MIN_INLIERS, MIN_SHARE = 12, 0.5  # matches of a pair that must agree with one motion; fewer agree by chance
MOVED = 1.0  # pixels; what moves less may be fixed to the camera (a finger of the gripper, dirt on the lens)
NEAREST_VIEWS = 0.01  # metres; nearer views give no epipolar line
NEAR = 10.0  # pixels of a picture 640 wide; matches further from their lines are mismatches
SHUFFLES = 8
FEATURES = 600
CONTRAST = 0.02  # half of SIFT's default, as table tops show little


@dataclass(frozen=True)
class Correspondences:
    """M matched points of pairs of pictures, mismatches among them.

    Attributes:
        first, second: int [M], the views.
        verified: bool [M]: agrees with many matches of its pair on one motion, whatever motion that is. Where a pair
            has verified matches, it has no others.
        p, q: float64 [M,3], the points in `first` and `second` as directions (x, y, 1) of an ideal camera.
        focal: in pixels, were the picture 640 pixels wide; all errors are in such pixels.
        T_world_camera: float64 [V,4,4], the poses as they were recorded.
    """

    first: np.ndarray
    second: np.ndarray
    verified: np.ndarray
    p: np.ndarray
    q: np.ndarray
    focal: float
    T_world_camera: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of views that have matches."""
        return sorted(set(zip(self.first.tolist(), self.second.tolist(), strict=True)))

    def where(self, kept: np.ndarray) -> Correspondences:
        """Some of the matches, bool [M]."""
        names = ("first", "second", "verified", "p", "q")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    def errors(self, T_world_camera: np.ndarray | None = None) -> np.ndarray:
        """Pixels [M] by which the points miss their epipolar lines, to first order (Sampson's distance).

        Hartley and Zisserman, "Multiple View Geometry", 2nd ed., equation 11.9 (its square root).

        Args:
            T_world_camera: poses [V,4,4] to try instead of the recorded ones.
        """
        poses = self.T_world_camera if T_world_camera is None else T_world_camera
        relative = np.linalg.inv(poses)[self.second] @ poses[self.first]
        rotation, translation = relative[:, :3, :3], relative[:, :3, 3]
        line_q = np.cross(translation, np.einsum("mij,mj->mi", rotation, self.p))  # E p
        line_p = -np.einsum("mji,mj->mi", rotation, np.cross(translation, self.q))  # E^T q
        norm = np.sqrt((line_q[:, :2] ** 2).sum(1) + (line_p[:, :2] ** 2).sum(1))
        return self.focal * np.abs((self.q * line_q).sum(1)) / np.maximum(norm, 1e-12)

    def explained(self, T_world_camera: np.ndarray | None = None) -> float:
        """How many more matches lie near their epipolar lines than if the poses were shuffled."""
        poses = self.T_world_camera if T_world_camera is None else T_world_camera
        rng = np.random.default_rng(0)
        shuffled = [self.errors(rng.permutation(poses)) < NEAR for _ in range(SHUFFLES)]
        return float((self.errors(poses) < NEAR).sum() - np.mean([near.sum() for near in shuffled]))

    def median_error(self) -> float:
        """The median error, pixels, of the matches that are verified, or near their lines where those are few."""
        errors = self.errors()
        near = errors[errors < NEAR]
        sure = errors[self.verified] if self.verified.sum() > len(near) / 2 else near
        return float(np.median(sure)) if len(sure) else 0.0


def robust(errors: np.ndarray, scale: float) -> np.ndarray:
    """Costs of errors that mismatches hardly sway: a Cauchy distribution's negative log-likelihood, up to constants."""
    return np.log1p((errors / scale) ** 2)


def find_correspondences(scene: Scene) -> Correspondences:
    """Match SIFT features of neighbouring views; where an essential matrix explains most matches of a pair, keep those.

    Nister, "An efficient solution to the five-point relative pose problem", PAMI 2004, in OpenCV's MAGSAC++.
    """
    import cv2

    sift = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=CONTRAST)
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in scene.images]
    features = [sift.detectAndCompute(grey, None) for grey in greys]
    rays = [_rays(scene, view, keypoints) for view, (keypoints, _) in enumerate(features)]
    focal = float(scene.known_K[0, 0, 0])
    found = [(np.empty(0, int), np.empty(0, int), np.empty(0, bool), np.empty((0, 3)), np.empty((0, 3)))]
    for one, other in _neighbours(scene):
        matched = _mutual_matches(features[one][1], features[other][1])
        p, q = rays[one][matched[:, 0]], rays[other][matched[:, 1]]
        moved = np.linalg.norm(p - q, axis=1) * focal > MOVED
        p, q = p[moved], q[moved]
        verified = _rigid(p, q, focal)
        if verified.any():
            p, q, verified = p[verified], q[verified], verified[verified]
        found.append((np.full(len(p), one), np.full(len(p), other), verified, p, q))
    first, second, verified, p, q = (np.concatenate(part) for part in zip(*found, strict=True))
    return Correspondences(first, second, verified, p, q, focal * 640 / scene.image_size[1], scene.known_poses)


def _neighbours(scene: Scene) -> list[tuple[int, int]]:
    """Pairs of views that follow each other or look the same way; without those from nearly the same place."""
    forward, position = scene.known_poses[:, :3, 2], scene.known_poses[:, :3, 3]
    alike = forward @ forward.T
    pairs = {(view, view + span) for span in SPANS for view in range(scene.num_views - span)}
    for view in range(scene.num_views):
        nearest = np.argsort(-alike[view])[1 : NEAREST + 1]
        pairs |= {(min(view, other), max(view, other)) for other in nearest.tolist() if alike[view, other] > SAME_WAY}
    return sorted(p for p in pairs if np.linalg.norm(position[p[0]] - position[p[1]]) > NEAREST_VIEWS)


def _rays(scene: Scene, view: int, keypoints: tuple) -> np.ndarray:
    """Directions (x, y, 1) [N,3] of an ideal camera."""
    import cv2

    if not keypoints:
        return np.empty((0, 3))
    pixels = np.array([point.pt for point in keypoints], np.float64)
    distortion = scene.distortion_of(view)
    ideal = cv2.undistortPoints(pixels, scene.known_K[view], np.zeros(5) if distortion is None else distortion)[:, 0]
    return np.column_stack([ideal, np.ones(len(ideal))])


def _mutual_matches(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray:
    """Indices [N,2] of descriptors that are each other's nearest, and clearly so."""
    if first is None or second is None or len(second) < 2:
        return np.empty((0, 2), int)
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    nearest, other = np.partition(squared, 1, axis=1)[:, :2].T
    chosen = squared.argmin(1)
    kept = (nearest < RATIO**2 * other) & (squared.argmin(0)[chosen] == np.arange(len(first)))
    return np.column_stack([np.flatnonzero(kept), chosen[kept]])


def _rigid(p: np.ndarray, q: np.ndarray, focal: float) -> np.ndarray:
    """Which matches agree with the one motion that explains most, bool [N]; none where too few do."""
    import cv2

    none = np.zeros(len(p), bool)
    if len(p) < MIN_INLIERS:
        return none
    _, kept = cv2.findEssentialMat(p[:, :2], q[:, :2], np.eye(3), cv2.USAC_MAGSAC, 0.999, INLIER / focal)
    kept = none if kept is None else kept.ravel().astype(bool)
    return kept if kept.sum() >= max(MIN_INLIERS, MIN_SHARE * len(p)) else none
