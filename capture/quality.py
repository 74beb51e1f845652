"""Is this frame worth keeping: sharp, well exposed, not frozen, and the picture itself at rest."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np

from capture.cameras.camera import Frame
from capture.picture import brightness, clipped_shares, picture_change, picture_motion, sharpness
from datasets.camera import motion_between


@dataclass(frozen=True)
class QualityLimits:
    """What a frame must keep to. The defaults were chosen on pictures of `table_cubes`: cubes on a white table.

    Attributes:
        min_sharpness: below it a frame is blurred, whatever came before; see `capture.picture.sharpness`. 24 is what a
            lens of sigma 1.25 pixels gives; defocus of sigma 2 gives 18, motion of 5 pixels 23, a good lens 30 to 36.
        min_relative_sharpness: of the recording's median, once there are three; it varies by 5 % between viewpoints.
        max_overexposed: share of pixels that are clipped to white. A well exposed white table has next to none, one
            that is clipped at all has half of the picture or more.
        max_underexposed: share of pixels that are black. A dark table cloth may fill much of a picture.
        min_brightness: mean level, 0 to 255.
        moved: metres and radians by which two poses must differ for the same picture to be impossible.
        max_motion: pixels by which the picture of a camera at rest may move from one frame to the next. Noise alone
            gives 0.1 or so at most.
        max_change: how far such frames may differ otherwise, as `capture.picture.picture_change` has it. Noise alone
            gives 0.2 to 0.8.
        history: frames that the recording's median is taken over.

    A camera's file in config/cameras may set others: `quality: {min_sharpness: 20}`.
    """

    min_sharpness: float = 24.0
    min_relative_sharpness: float = 0.8
    max_overexposed: float = 0.4
    max_underexposed: float = 0.8
    min_brightness: float = 25.0
    moved: tuple[float, float] = (2e-3, 5e-3)
    max_motion: float = 0.3
    max_change: float = 1.0
    history: int = 50


@dataclass(frozen=True)
class FrameQuality:
    """What a frame is like.

    Attributes:
        reasons: why it is not worth keeping, in words; none: it is.
        measures: sharpness (not a number where the picture shows no edge), overexposed, underexposed, brightness.
    """

    reasons: tuple[str, ...]
    measures: dict[str, float]


class QualityCheck:
    """Judges the frames of one camera over a recording. A frame that is found worth keeping counts as stored."""

    def __init__(self, limits: QualityLimits = QualityLimits()) -> None:
        self.limits = limits
        self._sharpness: deque[float] = deque(maxlen=limits.history)
        self._seen: dict[bytes, tuple[float, np.ndarray]] = {}  # by a picture's digest, its stamp and pose
        self._is_noisy = False
        self._repeated: float | None = None

    def check(self, frame: Frame, T_world_camera: np.ndarray) -> FrameQuality:
        """Judge a frame that was taken from the pose [4,4]."""
        measures, digest = measure(frame.image), _digest(frame.image)
        reasons = (
            self._blur(measures["sharpness"]),
            self._overexposure(measures["overexposed"]),
            self._underexposure(measures["underexposed"], measures["brightness"]),
            self._frozen(frame, digest, T_world_camera),
        )
        quality = FrameQuality(tuple(reason for reason in reasons if reason), measures)
        if not quality.reasons:
            self._seen[digest] = frame.stamp, T_world_camera
            self._sharpness.append(measures["sharpness"])
        return quality

    def remember(self, image: np.ndarray, stamp: float, T_world_camera: np.ndarray) -> None:
        """Keep in mind that a picture was seen from a pose [4,4]: if it comes from elsewhere, the camera is frozen."""
        self._seen[_digest(image)] = stamp, T_world_camera

    def settled(self, earlier: Frame, later: Frame) -> bool:
        """Whether the picture itself is at rest: two frames in a row differ by noise alone, not by what they show.

        It shows what the arm cannot know: that stamps are late, that the camera's mount shakes, that a cube rolls.
        """
        if np.array_equal(earlier.image, later.image):
            self._repeated = later.stamp if self._is_noisy else None
            return True
        self._is_noisy = True
        return (
            picture_motion(earlier.image, later.image) <= self.limits.max_motion
            and picture_change(earlier.image, later.image) <= self.limits.max_change
        )

    def _blur(self, value: float) -> str | None:
        if not np.isfinite(value):
            return "shows nothing: no edge anywhere; take off the lens cap, and point the camera at the objects"
        if len(self._sharpness) >= 3:
            usual = median(self._sharpness)
            if value < self.limits.min_relative_sharpness * usual:
                return f"blurred: sharpness {value:.0f}, the recording's median is {usual:.0f}"
        if value < self.limits.min_sharpness:
            return (
                f"blurred: sharpness {value:.0f}, at least {self.limits.min_sharpness:.0f} is needed: focus the lens, "
                "and let nothing move"
            )
        return None

    def _overexposure(self, share: float) -> str | None:
        if share > self.limits.max_overexposed:
            return f"over-exposed: {share:.0%} of the picture is clipped to white; lower the exposure or the light"
        return None

    def _underexposure(self, share: float, brightness: float) -> str | None:
        if share > self.limits.max_underexposed:
            return f"under-exposed: {share:.0%} of the picture is black; raise the exposure, or take off the lens cap"
        if brightness < self.limits.min_brightness:
            return f"under-exposed: its mean brightness is {brightness:.0f} of 255; raise the exposure or the light"
        return None

    def _frozen(self, frame: Frame, digest: bytes, pose: np.ndarray) -> str | None:
        if self._repeated == frame.stamp:
            return "frozen camera: two frames in a row are the same pixel for pixel, although this camera is noisy"
        if (seen := self._seen.get(digest)) is None:
            return None
        before, at = seen
        distance, angle = motion_between(pose, at)
        if distance < self.limits.moved[0] and angle < self.limits.moved[1]:
            return None
        return (
            f"frozen camera: pixel for pixel the picture of {frame.stamp - before:.1f} s ago, though the camera "
            f"has moved by {100 * distance:.1f} cm and {np.rad2deg(angle):.1f} degrees"
        )


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def measure(image: np.ndarray) -> dict[str, float]:
    """What `FrameQuality.measures` holds, of an image uint8 [H,W,3]."""
    overexposed, underexposed = clipped_shares(image)
    return {
        "sharpness": sharpness(image),
        "overexposed": overexposed,
        "underexposed": underexposed,
        "brightness": brightness(image),
    }
