"""Pictures to segment out of files: images, videos and ROS bags; without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from datasets.rosbag.bag import Bag, Record, choose_image_topic
from datasets.rosbag.messages import image_from_message
from datasets.scene import DatasetError
from perception.rates import mean_rate

JPEG = {".jpg", ".jpeg"}
IMAGES = JPEG | {".png", ".bmp", ".tif", ".tiff", ".webp"}
VIDEOS = {".mp4", ".avi", ".mkv", ".mov", ".webm"}
BAG = ".bag"


@dataclass(frozen=True)
class Frame:
    """A picture that can be read.

    Attributes:
        name: unlike any other of its source; parts of a path are separated by `/`.
        stamp: seconds; of bags the header's, of videos since their beginning. None for images.
        read: gives the picture, uint8 [H,W,3] RGB; raises ValueError where it is damaged.
    """

    name: str
    stamp: float | None
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Source:
    """Pictures in their order.

    Attributes:
        frames: gives them, each time from the first on.
        count: how many there are, as far as can be told beforehand.
        rate: pictures a second, where they follow one another in time; else None.
    """

    frames: Callable[[], Iterator[Frame]]
    count: int
    rate: float | None


def open_source(paths: list[Path], topic: str | None = None) -> Source:
    """The pictures in image files and folders of such, in one video, or in one bag.

    Args:
        topic: of a bag: the image topic; None: the only one.

    Raises:
        DatasetError: a path does not exist, holds no pictures, or is not of these kinds; or they are mixed.
    """
    for path in paths:
        if not path.exists():
            raise DatasetError(f"{path}: no such file or folder")
    suffixes = {path.suffix.lower() for path in paths}
    if len(paths) == 1 and suffixes == {BAG}:
        return _of_bag(paths[0], topic)
    if topic is not None:
        raise DatasetError(f"{paths[0]}: --topic is of bags, and this is none")
    if len(paths) == 1 and suffixes <= VIDEOS:
        return _of_video(paths[0])
    if suffixes & (VIDEOS | {BAG}):
        raise DatasetError(f"{paths[0]}: videos and bags are taken one at a time, and not with images")
    return _of_images(paths)


def _of_images(paths: list[Path]) -> Source:
    files = [(file, name) for path in paths for file, name in _image_files(path)]
    if len({name for _, name in files}) < len(files):  # from several folders, or of several formats
        files = [(file, file.resolve().as_posix().removeprefix("/")) for file, _ in files]

    def frames() -> Iterator[Frame]:
        for file, name in files:
            yield Frame(name, None, partial(_read_image, file))

    return Source(frames, len(files), None)


def _image_files(path: Path) -> list[tuple[Path, str]]:
    """The images of a path, and what each is called within it."""
    if path.is_file():
        if path.suffix.lower() not in IMAGES:
            raise DatasetError(
                f"{path}: is no image ({', '.join(sorted(IMAGES))}), video ({', '.join(sorted(VIDEOS))}) or ROS 1 bag"
            )
        return [(path, path.stem)]
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGES)
    if not files:
        raise DatasetError(f"{path}: the folder holds no images; to measure on a dataset, see `lds eval`")
    return [(file, file.relative_to(path).with_suffix("").as_posix()) for file in files]


def _read_image(file: Path) -> np.ndarray:
    try:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:  # 2^30 pixels or more
        raise ValueError(f"it cannot be read as an image ({error.err})") from error
    if image is None:
        raise ValueError("it cannot be read as an image")
    if file.suffix.lower() in JPEG:
        _refuse_truncated(file)
    return image


def _refuse_truncated(file: Path) -> None:
    """Raises ValueError for a JPEG file that is cut off: OpenCV makes a picture of it whose rest is grey."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            picture.draft("L", (1, 1))  # as small as can be: all is read, hardly anything is drawn
            picture.load()
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"it cannot be read as an image ({error})") from error


def _of_video(path: Path) -> Source:
    video = cv2.VideoCapture(str(path))
    rate, count = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    readable = video.read()[0]
    video.release()
    if not readable:
        raise DatasetError(f"{path}: cannot be read as a video; convert it, for example to .mp4")
    rate = rate if 0 < rate < 1000 else 30.0  # what a damaged header says

    def frames() -> Iterator[Frame]:
        video = cv2.VideoCapture(str(path))
        try:
            number = 0
            while (picture := video.read()[1]) is not None:
                in_rgb = partial(cv2.cvtColor, picture, cv2.COLOR_BGR2RGB)
                yield Frame(f"frame_{number:06d}", number / rate, in_rgb)
                number += 1
        finally:
            video.release()

    return Source(frames, max(count, 1), rate)


def _of_bag(path: Path, topic: str | None) -> Source:
    with Bag(path) as bag:
        topic = choose_image_topic(bag, topic, "--topic")
        times = [record.stamp / 1e9 for record in bag.records(topic)]
    if not times:
        raise DatasetError(f"{path}: {topic} has no message")

    def frames() -> Iterator[Frame]:
        with Bag(path) as bag:
            for number, record in enumerate(bag.records(topic)):
                yield Frame(f"frame_{number:06d}", record.stamp / 1e9, partial(_read_message, bag, record))

    return Source(frames, len(times), mean_rate(times) or 1.0)


def _read_message(bag: Bag, record: Record) -> np.ndarray:
    return image_from_message(bag.parse(record))
