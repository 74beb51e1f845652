"""What a listener measures of a segmentation: rates, latency, lost frames, and how well labels agree with the truth."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from datasets.atomic import whole_file
from perception.agreement import image_miou
from perception.identity import IdSwitches
from perception.rates import mean_rate

REMEMBERED = 60  # frames whose image and truth are kept until their labels come
PACE = 0.4  # seconds between frames that are scored for mIoU
PICTURES = 60  # frames that are kept for pictures
REDUCTION = 2  # frames are kept for pictures at a half of the camera's resolution


@dataclass(frozen=True)
class Measured:
    """The content of score.json. Times in seconds, rates in Hz.

    Attributes:
        latencies: from an image's stamp to the arrival of its labels, one a label image.
        lost: images for which no labels came.
        miou: of each view for which there was a truth; of a moving camera's, twice a second.
        objects, true_objects: how many the labels and the truth show in each of these views.
        duplicates_merged: slots merged into another, one value a frame.
        id_switches, sightings, visible: see IdSwitches; they mean something where one scene is seen all the time.
        place_errors: metres from each placed object's centre to the nearest true one.
        peak_memory_mb: of the segmentation node.
    """

    images: int = 0
    labels: int = 0
    image_rate: float = 0.0
    label_rate: float = 0.0
    lost: int = 0
    latencies: list[float] = field(default_factory=list)
    miou: list[float] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)
    true_objects: list[int] = field(default_factory=list)
    duplicates_merged: list[int] = field(default_factory=list)
    id_switches: int = 0
    sightings: int = 0
    visible: int = 0
    place_errors: list[float] = field(default_factory=list)
    peak_memory_mb: float | None = None


def read_measured(folder: Path) -> Measured:
    """What a scorer wrote to a folder. Raises FileNotFoundError."""
    return Measured(**json.loads((folder / "score.json").read_text()))


class Score:
    """Collects what comes, in the order in which it comes. Stamps and times in seconds."""

    def __init__(self) -> None:
        self._images: OrderedDict[float, np.ndarray] = OrderedDict()
        self._truths: OrderedDict[float, np.ndarray] = OrderedDict()
        self._image_times: dict[float, float] = {}
        self._label_times: dict[float, float] = {}
        self._objects: list[int] = []
        self._true_objects: list[int] = []
        self._duplicates: list[int] = []
        self._frames: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._last_truth: np.ndarray | None = None
        self._last_scored = -np.inf
        self._miou: list[float] = []
        self._ids = IdSwitches()
        self._place_errors: list[float] = []

    @property
    def has_labels(self) -> bool:
        return bool(self._label_times)

    def image_came(self, stamp: float, now: float, image: np.ndarray) -> None:
        self._image_times[stamp] = now
        _remember(self._images, stamp, image)

    def truth_came(self, stamp: float, truth: np.ndarray) -> None:
        _remember(self._truths, stamp, truth)

    def label_came(self, stamp: float, now: float, labels: np.ndarray) -> None:
        """Labels, int32 [H,W]. They are scored once for each view: when the truth is another one than before."""
        self._label_times[stamp] = now
        image, truth = self._images.get(stamp), self._truths.get(stamp)
        if image is None or truth is None:
            return
        self._ids.see(truth, labels)
        if stamp - self._last_scored < PACE:
            return
        if self._last_truth is None or not np.array_equal(truth, self._last_truth):
            self._last_truth, self._last_scored = truth, stamp
            self._miou.append(image_miou(truth, labels))
            self._objects.append(int(np.count_nonzero(np.unique(labels))))
            self._true_objects.append(int(np.count_nonzero(np.unique(truth))))
            if len(self._frames) < PICTURES:
                reduced = np.s_[::REDUCTION, ::REDUCTION]
                self._frames.append((image[reduced], truth[reduced], labels[reduced]))

    def scene_came(self, duplicates_merged: int) -> None:
        self._duplicates.append(duplicates_merged)

    def places_came(self, found: np.ndarray, truth: np.ndarray) -> None:
        """Centres of objects [N,3] as they were placed, and the true ones [M,3], in one frame, metres."""
        if len(truth):
            self._place_errors += np.linalg.norm(found[:, None] - truth, axis=-1).min(1).tolist()

    def measured(self, peak_memory_mb: float | None = None) -> Measured:
        """What was measured so far."""
        newest = max(self._label_times, default=-np.inf)
        return Measured(
            images=len(self._image_times),
            labels=len(self._label_times),
            image_rate=mean_rate([*self._image_times.values()]),
            label_rate=mean_rate([*self._label_times.values()]),
            lost=sum(stamp not in self._label_times and stamp < newest for stamp in self._image_times),
            latencies=[came - stamp for stamp, came in self._label_times.items()],
            miou=self._miou,
            objects=self._objects,
            true_objects=self._true_objects,
            duplicates_merged=self._duplicates,
            id_switches=self._ids.switches,
            sightings=self._ids.sightings,
            visible=self._ids.objects,
            place_errors=self._place_errors,
            peak_memory_mb=peak_memory_mb,
        )

    def write(self, folder: Path, peak_memory_mb: float | None) -> None:
        """Write score.json, and frames.npz with the views' `images`, `truths` and `labels` at reduced resolution."""
        folder.mkdir(parents=True, exist_ok=True)
        images, truths, labels = (np.array([frame[i] for frame in self._frames]) for i in range(3))
        np.savez_compressed(folder / "frames.npz", images=images, truths=truths, labels=labels)
        with whole_file(folder / "score.json") as temporary:
            temporary.write_text(json.dumps(asdict(self.measured(peak_memory_mb))))


def _remember(store: OrderedDict[float, np.ndarray], stamp: float, value: np.ndarray) -> None:
    store[stamp] = value
    if len(store) > REMEMBERED:
        store.popitem(last=False)
