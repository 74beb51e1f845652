"""A picture of where the cameras were: frusta over the table, coloured in the order of the views."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.atomic import whole_file
from datasets.camera import frusta
from datasets.palette import INK, MUTED, PAGE, object_colours
from datasets.scene import Scene
from datasets.scene_dataset import SceneDataset, spread
from datasets.table_grid import grid_lines, grid_step

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d import Axes3D

LINE, TABLE = "#c9ced7", "#ffffff"
PANEL = 4.6  # inches
COLUMNS = 3


def save_pose_plot(dataset: SceneDataset, path: Path, scenes: int = 6) -> int:
    """Write a PNG of the camera poses of up to `scenes` scenes, spread evenly over the dataset.

    Returns:
        How many scenes it shows; 0 where they have no poses, and nothing is written.

    Raises:
        DatasetError: a scene cannot be read, or the picture cannot be written.
    """
    shown = [dataset[int(i)] for i in spread(len(dataset), scenes)]
    shown = [scene for scene in shown if scene.T_world_camera is not None]
    if shown:
        figure = _draw(dataset.name, shown)
        with whole_file(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110, facecolor=PAGE)
    return len(shown)


def _draw(name: str, scenes: list[Scene]) -> Figure:
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(scenes))
    rows = -(-len(scenes) // columns)
    width, height = max(columns * PANEL, 6), rows * PANEL + 0.9
    figure = Figure((width, height), facecolor=PAGE)
    figure.text(0.3 / width, 1 - 0.42 / height, name, color=INK, size=17, va="center")
    note = "Camera poses from first (dark) to last view (light). Arrows: world x red, y green."
    figure.text(0.3 / width, 1 - 0.74 / height, note, color=MUTED, size=9, va="center")
    for i, scene in enumerate(scenes):
        left, bottom = i % columns / columns, (rows - 1 - i // columns) * PANEL / height
        axes = figure.add_axes((left, bottom, 1 / columns, PANEL / height), projection="3d", computed_zorder=False)
        _draw_scene(axes, scene)
    return figure


def _draw_scene(axes: Axes3D, scene: Scene) -> None:
    from matplotlib import colormaps

    poses = scene.known_poses
    centres = poses[:, :3, 3]
    reach = float(np.linalg.norm(centres[:, :2], axis=1).max()) or 1.0
    top = max(float(centres[:, 2].max()), reach / 2)
    step = grid_step(scene)
    _draw_table(axes, step, grid_lines(scene))
    for colour, o in zip(object_colours(len(scene.objects)) / 255, scene.objects, strict=True):
        if "position" in o:
            x, y, z = o["position"]
            axes.plot([x, x], [y, y], [0, z], color=colour, linewidth=1, zorder=2)
            axes.scatter([x], [y], [z], s=46, color=[colour], edgecolors="white", linewidths=0.8, zorder=3)
    axes.plot(*centres.T, color=LINE, linewidth=1, zorder=4)
    shades = colormaps["viridis"](np.linspace(0, 0.92, len(poses)))
    for corners, shade in zip(frusta(scene), shades, strict=True):
        _draw_frustum(axes, corners, shade)
    for view in sorted({0, len(poses) - 1}):
        axes.text(*(centres[view] * 1.08), str(view), color=INK, size=8, ha="center", zorder=7)
    axes.set_title(f"{scene.name}   {len(poses)} views, {step:g} m grid", color=INK, size=10, y=0.98)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(0, top))
    axes.set_box_aspect((2 * reach, 2 * reach, top), zoom=1.12)
    axes.view_init(elev=32, azim=-60)
    axes.set_axis_off()
    axes.patch.set_alpha(0)


def _draw_table(axes: Axes3D, step: float, lines: np.ndarray) -> None:
    half = lines.max()
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    axes.plot_surface(*corners[[[0, 1], [3, 2]]].transpose(2, 0, 1), color=TABLE, shade=False, zorder=0)
    for line in lines:
        axes.plot(*line.T, color=LINE, linewidth=0.6, zorder=1)
    for direction, colour in (((1, 0), "#c8402f"), ((0, 1), "#2f8f4e")):
        axes.quiver(0, 0, 0, *direction, 0, length=step, color=colour, linewidth=1.6, arrow_length_ratio=0.25, zorder=1)


def _draw_frustum(axes: Axes3D, corners: np.ndarray, colour: np.ndarray) -> None:
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    sides = [corners[[0, i, i % 4 + 1]] for i in range(1, 5)]
    for faces, opacity, line in ((sides, 0.1, 0.7), ([corners[1:]], 0.35, 1.0)):
        shown = Poly3DCollection(faces, facecolor=[*colour[:3], opacity], edgecolor=colour, linewidths=line, zorder=5)
        axes.add_collection3d(shown)
