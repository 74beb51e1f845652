"""What was segmented, kept on the disk: a recorded dataset of single views, with the segmentation as their masks."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

import numpy as np

from datasets.recorded import write_scene
from datasets.scene import DatasetError, Scene
from datasets.scene_names import scene_name, scene_number
from perception.placing import NOWHERE, Lens, Places
from perception.segmentation import ObjectSegment, Segmentation


class Keeper:
    """Writes `scene_NNNNNN.h5` files, one an image, which go on from what the folder holds already.

    Each file is whole from the moment it is there. All commands take the folder, without dataset.json: each tenth scene
    is its split `test`, see `datasets.dataset_index.usual_splits`.

    Args:
        every: seconds between the stamps of images that are kept; 0: all.
        model: the name of the weights.

    Raises:
        DatasetError: the folder holds a finished dataset, cannot be written, or another node keeps into it.
    """

    def __init__(self, folder: Path, every: float, model: str) -> None:
        if (folder / "dataset.json").exists():
            raise DatasetError(f"{folder}: holds a finished dataset; keep segmentations in another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(f"{folder}: cannot be made ({error.strerror})") from error
        self._lock = _locked(folder)
        self._folder, self._every, self._model = folder, every, model
        numbers = (scene_number(path.stem) for path in folder.glob("scene_*.h5"))
        self._next = 1 + max((number for number in numbers if number is not None), default=-1)
        self._last: float | None = None

    def keep(
        self,
        image: np.ndarray,
        segmentation: Segmentation,
        stamp: float,
        places: Places = NOWHERE,
        lens: Lens | None = None,
        T_world_camera: np.ndarray | None = None,
    ) -> bool:
        """Write an image uint8 [H,W,3] and its objects, if its time has come. Whether it has.

        Raises:
            DatasetError: it cannot be written.
        """
        if self._last is not None and 0 <= stamp - self._last < self._every:
            return False
        self._last = stamp
        number = np.zeros(max((segment.id for segment in segmentation.objects), default=0) + 1, np.uint8)
        number[[segment.id for segment in segmentation.objects]] = np.arange(1, len(segmentation.objects) + 1)
        scene = Scene(
            scene_name(self._next),
            images=image[None],
            T_world_camera=None if T_world_camera is None else T_world_camera[None],
            K=None if lens is None else lens.K[None],
            distortion=None if lens is None else lens.distortion[None],
            masks=number[segmentation.labels][None],
            stamps=np.array([stamp]),
            objects=[_described(segment, places) for segment in segmentation.objects],
            meta={"kind": "segmented"},
        )
        write_scene(self._folder / f"{scene.name}.h5", scene, {"model": self._model})
        self._next += 1
        return True


def _locked(folder: Path) -> TextIO:
    """The folder's lock, which is held as long as it is open: another node would take the same numbers."""
    try:
        lock = (folder / ".keeper.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DatasetError(
            f"{folder}: another node keeps its segmentations there; keep them in another folder"
        ) from None
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be locked ({error.strerror}); keep segmentations on a local disk"
        ) from error
    return lock


def _described(segment: ObjectSegment, places: Places) -> dict[str, object]:
    """Object i of a scene has the mask i + 1; `track` is the id that it has from image to image."""
    described: dict[str, object] = {
        "track": segment.id,
        "confidence": segment.confidence,
        "slots_merged": segment.slots_merged,
        "latent": segment.latent.tolist(),
    }
    if segment.id in places.boxes:
        box = places.boxes[segment.id]
        described |= {"T_camera_box": box.T_camera_box.tolist(), "box_size": box.size.tolist()}
    elif segment.id in places.positions:
        described["camera_position"] = places.positions[segment.id].tolist()
    return described
