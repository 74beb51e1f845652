"""The official CLE-MV layout made hostile: JSON index, arrays, pickles among them, paths and links that lead away."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from batches import Kind, Pickled, expect_none_at_fault
from hdf5_mutation import SECRET
from mutation import as_json, mutated, mutated_tree, odd_value
from nursery import Nursery
from scenes import OBJECTS, SIZE, VIEWS, read_all

from datasets.scene import DatasetError


def arrays(seed: int, fill: int | None = None) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (VIEWS, SIZE, SIZE, 3), np.uint8)
    masks = rng.integers(0, 2, (VIEWS, SIZE, SIZE, 1 + OBJECTS), np.uint8)
    return {"images": images if fill is None else np.full_like(images, fill), "masks": masks}


def index(numbers: tuple[int, ...]) -> dict[str, Any]:
    described = {"shape": "sphere", "color": "red", "material": "rubber", "size": "small", "3d_coords": [0.1, 0.2, 0.3]}
    scenes = [
        {
            "data_path": f"d/data/CLEVR_new_{number:06d}.npy",
            "depth_orders": [[0, 1]] * VIEWS,
            "camera": {"location": [[2.0 + view, 1.0, 3.0] for view in range(VIEWS)]},
            "objects": [described] * OBJECTS,
            "fov": 0.9,
        }
        for number in numbers
    ]
    return {"info": "d", "num_views": VIEWS, "scenes": scenes}


def archive(content: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


def structured(content: dict[str, np.ndarray]) -> bytes:
    record = np.zeros(1, [(name, value.dtype, value.shape) for name, value in content.items()])
    for name, value in content.items():
        record[name][0] = value
    return _npy(record)


def odd_arrays(rng: Random) -> bytes:
    """Files of arrays that are whole, and not what is wanted."""
    content: dict[str, Any] = arrays(0)
    name = rng.choice(list(content))
    value = content[name].astype(rng.choice("u1 i8 f4 f8 b1 c8 >u2 S2".split()))
    if value.dtype.kind == "f":
        value.flat[3] = rng.choice((np.nan, np.inf, -1, 1e300, 0.5))
    shapes = ((-1,), value.shape, value.shape[::-1], (1, *value.shape), (*value.shape, 1), (1, 1, *value.shape))
    content[name] = rng.choice(
        (value.reshape(rng.choice(shapes)), value[..., :1], value[:0], value[0, 0, 0, 0], value[1:])
    )
    if rng.random() < 0.2:
        del content[name]
    return rng.choice((archive, structured))(content)


def pickles(rng: Random) -> bytes:
    """What would run code, were it unpickled: bare, as an object array, inside an archive or a structured array."""
    odd = np.array([Pickled()], object)
    return rng.choice((
        lambda: pickle.dumps(Pickled(), rng.choice((0, 2, 4))),
        lambda: _npy(odd),
        lambda: archive({**arrays(0), "images": odd}),
        lambda: _npy(np.array([(Pickled(), 1)], [("images", object), ("masks", "u1")])),
    ))()  # fmt: skip


def bomb(rng: Random) -> bytes:
    """Little that unpacks to much, or says so."""
    zeros = zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED)
    shape = rng.choice(((2**40,), (2**31, 2**31, 3), (3, 2**20, 2**20, 3), (3, 8, 8, 2**35), (-1, 8, 8, 3), (0, 2**62)))
    header = _npy_header(shape)
    if rng.random() < 0.3:
        return header + bytes(100)
    with zeros:
        zeros.writestr("images.npy", header + bytes(rng.choice((100, 2**22))))
        zeros.writestr("masks.npy", _npy(arrays(0)["masks"]))
    content = buffer.getvalue()
    return content if rng.random() < 0.5 else mutated(rng, content)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def write_official(rng: Random, folder: Path) -> Path:
    root = folder / "d"
    (root / "data").mkdir(parents=True)
    for number in range(3):
        (root / f"data/CLEVR_new_{number:06d}.npy").write_bytes(archive(arrays(number)))
    (folder / "outside.npy").write_bytes(archive(arrays(9, SECRET)))
    for split, numbers in (("train", (0, 1)), ("test", (2,))):
        (root / f"d_{split}.json").write_text(json.dumps(index(numbers)))
    rng.choice((_change_index, _change_index, _change_array, _change_array, _lead_away))(rng, root)
    return root


def _change_index(rng: Random, root: Path) -> None:
    text = as_json(rng, mutated_tree(rng, index((0, 1))))
    (root / "d_train.json").write_bytes(mutated(rng, text) if rng.random() < 0.3 else text)


def _change_array(rng: Random, root: Path) -> None:
    content = rng.choice((
        lambda: mutated(rng, archive(arrays(0)), structured(arrays(1))),
        lambda: mutated(rng, structured(arrays(0)), archive(arrays(1))),
        lambda: odd_arrays(rng), lambda: odd_arrays(rng), lambda: pickles(rng), lambda: bomb(rng),
    ))()  # fmt: skip
    (root / "data/CLEVR_new_000000.npy").write_bytes(content)


def _lead_away(rng: Random, root: Path) -> None:
    """A path in the index, or a link in the folder, that leaves the dataset's root, or goes round."""
    outside = root.parent / "outside.npy"
    victim = root / "data/CLEVR_new_000000.npy"
    if rng.random() < 0.5:
        paths = (
            "../outside.npy", "d/../../outside.npy", "d/../outside.npy", str(outside), f"d/{outside}", "d/", "d", "/",
            "", "..", "d/data", "a/b", "d/data/../../../outside.npy", str(odd_value(rng)),
        )  # fmt: skip
        content = index((0, 1))
        content["scenes"][0]["data_path"] = rng.choice(paths)
        (root / "d_train.json").write_bytes(as_json(rng, content))
        return
    victim = rng.choice((victim, root / "data", root / "d_test.json"))
    victim.rename(root.parent / "moved")
    victim.symlink_to(rng.choice((str(outside), "../../outside.npy", victim.name, "../..", "/dev/null", "nowhere")))


def test_every_official_dataset_is_read_or_refused(
    nursery: Nursery, share: Callable[[int], int], tmp_path: Path
) -> None:
    kind = Kind(write_official, read_all, (DatasetError,))
    expect_none_at_fault(nursery, kind, share(2000), tmp_path)
