"""Judging frames: pictures of cubes on a white table, then blurred, clipped, repeated and moved."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from capture.cameras.camera import Frame
from capture.picture import picture_change, picture_motion, sharpness
from capture.quality import QualityCheck, QualityLimits, measure
from datasets.scene import Scene
from datasets.synthesis.table_cubes import TableRenderer, make_scene

VIEWS = 8


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Two scenes in different light, neither of which is clipped."""
    with TableRenderer(480) as renderer:
        return [make_scene(renderer, 7, index, VIEWS) for index in (0, 1)]


@pytest.fixture(scope="module")
def images(scenes: list[Scene]) -> np.ndarray:
    return np.concatenate([scene.images for scene in scenes])


def noisy(image: np.ndarray, sigma: float, seed: int, grain: float = 0.0) -> np.ndarray:
    """With Gaussian noise of standard deviation `sigma`, of white or, by `grain` pixels, coarser grain."""
    noise = np.random.default_rng(seed).normal(0, 1, image.shape)
    if grain:
        noise = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(np.rint(image + sigma * noise / noise.std()), 0, 255).astype(np.uint8)


def defocused(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def smeared(image: np.ndarray, pixels: float, angle: float) -> np.ndarray:
    """As a camera sees it that moves by so many pixels while it exposes."""
    steps = np.linspace(-pixels / 2, pixels / 2, 41)
    shifted = [moved(image, step * np.cos(angle), step * np.sin(angle)).astype(np.float32) for step in steps]
    return np.rint(np.mean(shifted, axis=0)).astype(np.uint8)


def moved(image: np.ndarray, right: float, down: float, turn: float = 0.0) -> np.ndarray:
    """Moved by pixels and turned by degrees about the middle."""
    height, width = image.shape[:2]
    motion = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1)
    motion[:, 2] += right, down
    return cv2.warpAffine(image, motion, (width, height), borderMode=cv2.BORDER_REFLECT)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def pose(x: float = 0.0) -> np.ndarray:
    made = np.eye(4)
    made[0, 3] = x
    return made


def with_history(images: np.ndarray) -> QualityCheck:
    check = QualityCheck()
    for i, image in enumerate(images):
        assert not check.check(Frame(image, float(i)), pose(i)).reasons
    return check


def reasons(check: QualityCheck, image: np.ndarray, stamp: float = 100.0, x: float = 100.0) -> list[str]:
    return [reason.partition(":")[0] for reason in check.check(Frame(image, stamp), pose(x)).reasons]


def pair(a: np.ndarray, b: np.ndarray) -> tuple[Frame, Frame]:
    return Frame(a, 1.0), Frame(b, 1.1)


@pytest.mark.parametrize("lens", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_good_frames_from_all_around_are_kept(scenes: list[Scene], lens: float, noise: float) -> None:
    check = QualityCheck()
    for scene in scenes:
        for i, image in enumerate(scene.images):
            frame = noisy(defocused(image, lens) if lens else image, noise, seed=i)
            verdict = check.check(Frame(frame, float(i)), scene.T_world_camera[i])
            assert not verdict.reasons


@pytest.mark.parametrize("sigma", [2.0, 3.0, 6.0])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_defocus_is_refused_from_the_first_frame_on(images: np.ndarray, sigma: float, noise: float) -> None:
    for i, image in enumerate(images[::3]):
        assert reasons(QualityCheck(), noisy(defocused(image, sigma), noise, seed=i)) == ["blurred"]


@pytest.mark.parametrize("lens", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("pixels", [5, 25])
def test_motion_blur_is_refused_in_whatever_direction(images: np.ndarray, lens: float, pixels: float) -> None:
    lensed = np.stack([defocused(image, lens) for image in images])
    check = with_history(lensed[:VIEWS])
    for i, image in enumerate(lensed[VIEWS::3]):
        assert reasons(check, smeared(image, pixels, angle=0.7 * i)) == ["blurred"]


def test_the_reason_names_the_numbers(images: np.ndarray) -> None:
    (reason,) = with_history(images[:5]).check(Frame(defocused(images[6], 3.0), 9.0), pose(9)).reasons
    value, usual = sharpness(defocused(images[6], 3.0)), np.median([sharpness(image) for image in images[:5]])
    assert reason == f"blurred: sharpness {value:.0f}, the recording's median is {usual:.0f}"


def test_sharpness_is_the_slope_of_an_edge_whatever_its_contrast() -> None:
    """The closed form: a step after a Gaussian of s pixels rises by 1 / (s sqrt(2 pi)) of its height in a pixel."""
    for low, high in ((20, 220), (100, 150)):
        step = np.full((120, 120, 3), low, np.uint8)
        step[:, 60:] = high
        for sigma in (1.5, 2.0):
            whole = np.sqrt(sigma**2 + 0.8**2 + 1 / 3)  # with the smoothing and the central difference of the measure
            assert sharpness(defocused(step, sigma)) == pytest.approx(100 / (whole * np.sqrt(2 * np.pi)), rel=0.03)


def test_a_picture_without_edges_is_refused_as_one_that_shows_nothing() -> None:
    empty = noisy(np.full((240, 320, 3), 200, np.uint8), 3.0, seed=0)
    assert np.isnan(measure(empty)["sharpness"])
    (reason,) = reasons(QualityCheck(), empty)
    assert "shows nothing" in reason


def test_a_white_table_is_not_over_exposed(images: np.ndarray) -> None:
    assert max(measure(image)["overexposed"] for image in images) < 0.05


def test_a_picture_clipped_to_white_is_refused(images: np.ndarray) -> None:
    bright = cv2.convertScaleAbs(images[0], alpha=2.0)
    (reason,) = QualityCheck().check(Frame(bright, 0.0), pose()).reasons
    assert reason == (
        f"over-exposed: {measure(bright)['overexposed']:.0%} of the picture is clipped to white; "
        "lower the exposure or the light"
    )


def test_one_bright_colour_is_not_over_exposed() -> None:
    orange = np.full((100, 100, 3), (255, 255, 40), np.uint8)
    assert measure(orange)["overexposed"] == 0.0


@pytest.mark.parametrize("level", [0.0, 0.05])
def test_the_dark_is_refused(images: np.ndarray, level: float) -> None:
    assert "under-exposed" in reasons(QualityCheck(), cv2.convertScaleAbs(images[0], alpha=level))


def test_a_dark_table_cloth_is_not_under_exposed() -> None:
    cloth = np.full((100, 100, 3), 30, np.uint8)
    cloth[20:80, 20:80] = 150  # with a cube on it
    assert reasons(QualityCheck(), cloth) == []


def test_the_same_picture_from_elsewhere_is_a_frozen_camera(images: np.ndarray) -> None:
    check = with_history(images[:4])
    (reason,) = check.check(Frame(images[3], 5.1), pose(3.14)).reasons
    assert reason.startswith("frozen camera: pixel for pixel the picture of 2.1 s ago, though the camera has moved")
    assert reason.endswith("by 14.0 cm and 0.0 degrees")


def test_a_turn_on_the_spot_shows_a_frozen_camera_too(images: np.ndarray) -> None:
    check, turned = with_history(images[:1]), pose()
    turned[:3, :3] = cv2.Rodrigues(np.array([0, 0.1, 0]))[0]
    (reason,) = check.check(Frame(images[0], 1.0), turned).reasons
    assert "0.0 cm and 5.7 degrees" in reason


def test_the_same_picture_from_the_same_place_is_allowed(images: np.ndarray) -> None:
    """A simulation without noise shows that."""
    assert reasons(with_history(images[:4]), images[3], x=3.0) == []


def test_a_noisy_camera_that_repeats_a_picture_is_frozen_where_it_stands(images: np.ndarray) -> None:
    check = QualityCheck()
    first, second = noisy(images[0], 2.0, seed=1), noisy(images[0], 2.0, seed=2)
    assert check.settled(*pair(first, second))
    earlier, later = Frame(second, 2.0), Frame(second, 2.1)
    assert check.settled(earlier, later)
    assert check.check(later, pose()).reasons == (
        "frozen camera: two frames in a row are the same pixel for pixel, although this camera is noisy",
    )
    assert not check.check(Frame(first, 3.0), pose()).reasons


def test_a_camera_without_noise_may_repeat_its_picture(images: np.ndarray) -> None:
    check = QualityCheck()
    earlier, later = pair(images[0], images[0])
    assert check.settled(earlier, later)
    assert not check.check(later, pose()).reasons


@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0, 12.0])
def test_pictures_at_rest_differ_by_noise_of_any_strength(images: np.ndarray, noise: float) -> None:
    for image in images[::8]:
        assert QualityCheck().settled(*pair(noisy(image, noise, seed=1), noisy(image, noise, seed=2)))


def test_coarse_noise_is_noise(images: np.ndarray) -> None:
    for image in images[::8]:
        assert QualityCheck().settled(*pair(*(noisy(image, 5.0, seed, grain=1.0) for seed in (1, 2))))


@pytest.mark.parametrize("quality", [50, 80])
def test_compression_is_noise(images: np.ndarray, quality: int) -> None:
    for image in images[::8]:
        assert QualityCheck().settled(*pair(*(jpeg(noisy(image, 3.0, seed), quality) for seed in (1, 2))))


def test_flickering_lamps_do_not_move_the_picture(images: np.ndarray) -> None:
    for image in images[::8]:
        darker = cv2.convertScaleAbs(image, alpha=0.96)
        assert QualityCheck().settled(*pair(noisy(image, 2.0, seed=1), noisy(darker, 2.0, seed=2)))


@pytest.mark.parametrize("noise", [1.0, 8.0])
@pytest.mark.parametrize("motion", [(0.5, 0.0), (0.0, 1.0), (-3.0, 4.0), (30.0, 20.0)])
def test_a_picture_that_moves_is_not_at_rest(images: np.ndarray, motion: tuple[float, float], noise: float) -> None:
    for image in images[::8]:
        earlier, later = noisy(image, noise, seed=1), noisy(moved(image, *motion), noise, seed=2)
        assert not QualityCheck().settled(*pair(earlier, later))


def test_a_picture_that_turns_is_not_at_rest(images: np.ndarray) -> None:
    assert not QualityCheck().settled(*pair(images[0], moved(images[0], 0, 0, turn=0.2)))


def test_a_small_thing_that_moves_is_seen(images: np.ndarray) -> None:
    with_hand = images[0].copy()
    with_hand[200:215, 300:315] = (90, 70, 60)
    assert not QualityCheck().settled(*pair(noisy(images[0], 3.0, seed=1), noisy(with_hand, 3.0, seed=2)))


@pytest.mark.parametrize("motion", [(0.3, 0.0), (0.0, -0.8), (0.6, 0.5)])
def test_motion_is_measured_in_pixels(images: np.ndarray, motion: tuple[float, float]) -> None:
    for image in images[::8]:
        measured = picture_motion(noisy(image, 2.0, seed=1), noisy(moved(image, *motion), 2.0, seed=2))
        assert measured == pytest.approx(np.hypot(*motion), rel=0.15)


def test_a_turn_is_measured_as_the_motion_of_its_pixels() -> None:
    """Edges all over a square of side a that turns by t about its middle: root mean square a t / sqrt(6)."""
    blobs = noisy(np.full((480, 480, 3), 128, np.uint8), 30.0, seed=0, grain=4.0)
    measured = picture_motion(blobs, moved(blobs, 0, 0, turn=0.2))
    assert measured == pytest.approx(480 * np.deg2rad(0.2) / np.sqrt(6), rel=0.1)


def test_few_edges_in_a_corner_do_not_make_noise_a_motion() -> None:
    corner = np.full((480, 640, 3), 220, np.uint8)
    corner[10:50, 20:60] = (180, 40, 40)
    for seed in range(10):
        assert picture_motion(noisy(corner, 4.0, seed), noisy(corner, 4.0, seed + 100)) < 0.15


def test_pictures_in_which_nothing_is_to_be_seen_are_at_rest() -> None:
    for level in (0, 128, 255):
        flat = np.full((100, 100, 3), level, np.uint8)
        assert picture_motion(flat, flat) == 0 and picture_change(flat, flat) == 0


def test_limits_are_those_that_are_given(images: np.ndarray) -> None:
    lenient = QualityLimits(min_sharpness=5.0)
    assert reasons(QualityCheck(lenient), defocused(images[0], 3.0)) == []
