"""Scenes written in the official CLE-MV layout, as `datasets.clevr_mv` and MulMON's own loader read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.atomic import whole_file
from datasets.camera import project
from datasets.json_file import plain, read_json
from datasets.scene import Scene


def write_clevr_mv_scene(path: Path, scene: Scene) -> None:
    """Write `path` (<root>/data/CLEVR_new_%06d.npy) and beside it, in <root>/scenes, the scene's entry of the index.

    The scene needs poses that look at the origin, K, masks, amodal masks, and its objects' positions. The layout has
    no place for depth.

    Raises:
        DatasetError: a file cannot be written.
    """
    orders = depth_orders(scene)
    entry = _entry_file(path)
    with whole_file(entry) as temporary:
        temporary.write_text(json.dumps(_entry(scene, path, orders), default=plain, allow_nan=False))
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, images=scene.images, masks=_packed_masks(scene, orders))


def write_clevr_mv_index(root: Path, split: str, views: int, files: Sequence[Path]) -> None:
    """Gather the entries of these scene files in <root>/<name>_<split>.json.

    Raises:
        DatasetError: an entry is missing or damaged, or the index cannot be written.
    """
    name = root.resolve().name
    entries = [read_json(_entry_file(file), f"remove {file} and synthesise again") for file in files]
    shapes = sorted({described["shape"] for entry in entries for described in entry["objects"]})
    content = {"info": f"{name} {split}", "num_views": views, "shape_gallery": shapes}
    content["scenes"] = [
        {
            "data_path": f"{name}/data/{file.name}",
            "mask_path": f"{name}/data/{file.name}",
            "image_index": number,
            **entry,
        }
        for number, (file, entry) in enumerate(zip(files, entries, strict=True))
    ]
    with whole_file(root / f"{name}_{split}.json") as temporary:
        temporary.write_text(json.dumps(content))


def depth_orders(scene: Scene) -> np.ndarray:
    """int [V,N]: the objects of each view from the nearest to the farthest, by their centres' depth."""
    return np.argsort(_centres(scene)[..., 2], axis=1, kind="stable")


def _centres(scene: Scene) -> np.ndarray:
    """float64 [V,N,3]: where the objects' centres are seen, x and y in pixels, and their depth in metres."""
    positions = np.array([described["position"] for described in scene.objects])
    views = []
    for pose, K in zip(scene.known_poses, scene.known_K, strict=True):
        depth = (positions - pose[:3, 3]) @ pose[:3, 2:3]
        views.append(np.concatenate([project(positions, pose, K), depth], axis=1))
    return np.stack(views)


def _packed_masks(scene: Scene, orders: np.ndarray) -> np.ndarray:
    """uint8 [V,H,W,1+N]: the visible map, in which i is the i-th nearest object of the view, then whole silhouettes."""
    ranks = np.zeros((scene.num_views, scene.num_objects + 1), np.uint8)
    np.put_along_axis(ranks, orders + 1, np.arange(1, scene.num_objects + 1, dtype=np.uint8)[None], axis=1)
    visible = np.stack([ranks[view][ids] for view, ids in enumerate(scene.known_masks)])
    silhouettes = scene.known_amodal_masks.transpose(0, 2, 3, 1).astype(np.uint8)
    return np.concatenate([visible[..., None], silhouettes], axis=-1)


def _entry(scene: Scene, path: Path, orders: np.ndarray) -> dict[str, Any]:
    centres = _centres(scene)
    objects = []
    for number, described in enumerate(scene.objects):
        rest = {key: value for key, value in described.items() if key != "position"}
        objects.append({**rest, "pixel_coords": centres[:, number], "3d_coords": described["position"]})
    return {
        "image_filename": f"{path.stem}.png",
        "depth_orders": orders,
        "camera": {"location": scene.known_poses[:, :3, 3]},
        "objects": objects,
        "fov": 2 * np.arctan(scene.image_size[1] / 2 / scene.known_K[0, 0, 0]),
    }


def _entry_file(path: Path) -> Path:
    return path.parent.parent / "scenes" / f"{path.stem}.json"
