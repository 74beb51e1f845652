"""A folder of what was segmented: labels, overlays, and one line of JSON for each picture."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from datasets.scene import DatasetError
from perception.overlay import draw_overlay
from perception.segmentation import ObjectSegment, Segmentation


class ResultsFolder:
    """Writes `labels/NAME.png` (16 bit, each pixel's object id, 0 = background), `overlays/NAME.jpg`, `objects.jsonl`,
    and `overlay.webm` where pictures follow one another. A context manager.

    Args:
        model: the name of the weights.
        rate: of the video, pictures a second; None: no video.

    Raises:
        DatasetError: the folder holds results already, or cannot be written.
    """

    def __init__(self, folder: Path, model: str, rate: float | None) -> None:
        self._folder, self._model, self._rate = folder, model, rate
        self._video: cv2.VideoWriter | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lines = (folder / "objects.jsonl").open("x", encoding="utf-8")
        except FileExistsError as error:
            raise DatasetError(f"{folder}: holds results already; give another --out") from error
        except OSError as error:
            raise DatasetError(f"{folder}: cannot be written ({error.strerror}); give another --out") from error

    def __enter__(self) -> ResultsFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        if self._video is not None:
            self._video.release()

    def add(self, name: str, stamp: float | None, image: np.ndarray, segmentation: Segmentation) -> None:
        """Keep the segmentation of an image, uint8 [H,W,3] RGB."""
        overlay = cv2.cvtColor(draw_overlay(image, segmentation.labels), cv2.COLOR_RGB2BGR)
        self._write(f"labels/{name}.png", segmentation.labels.astype(np.uint16))
        self._write(f"overlays/{name}.jpg", overlay)
        if self._rate is not None:
            self._add_to_video(overlay, self._rate)
        height, width = image.shape[:2]
        line = {
            "image": name, "stamp": stamp, "model": self._model, "width": width, "height": height,
            "duplicates_merged": segmentation.duplicates_merged,
            "objects": [_described(each) for each in segmentation.objects],
        }  # fmt: skip
        self._write_line(json.dumps(line))

    def _write_line(self, line: str) -> None:
        try:
            self._lines.write(f"{line}\n")
            self._lines.flush()
        except OSError as error:
            raise DatasetError(f"{self._lines.name}: cannot be written ({error.strerror})") from error

    def _write(self, name: str, picture: np.ndarray) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), picture):
            raise DatasetError(f"{path}: cannot be written; is the disk full?")

    def _add_to_video(self, picture: np.ndarray, rate: float) -> None:
        height, width = picture.shape[:2]
        if self._video is None:
            self._video_size, codec = (width, height), cv2.VideoWriter.fourcc(*"VP90")
            self._video = cv2.VideoWriter(str(self._folder / "overlay.webm"), codec, rate, self._video_size)
        if (width, height) == self._video_size:  # a camera whose resolution changes has all its pictures in overlays/
            self._video.write(picture)


def _described(segment: ObjectSegment) -> dict[str, Any]:
    """As lds_scenes/SegmentedObject has it."""
    return {
        "id": segment.id,
        "box": segment.box,
        "area": segment.area,
        "centroid": segment.centroid,
        "confidence": segment.confidence,
        "latent": segment.latent.tolist(),
        "slots_merged": segment.slots_merged,
    }
