"""Solids and their meshes: closed, turned outwards, as large as geometry says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from datasets.synthesis import solids
from datasets.synthesis.clevr_world import form_mesh
from datasets.synthesis.free_forms import FOOTPRINTS, FREE_FORMS
from datasets.synthesis.surface import extract_surface


def volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    """By the divergence theorem: positive only where triangles turn outwards."""
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def edges_of(triangles: np.ndarray) -> np.ndarray:
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def assert_watertight(triangles: np.ndarray) -> None:
    """Triangles run along every edge as often one way as the other: there is no rim."""
    edges = edges_of(triangles)
    there, back = (np.unique(each, axis=0, return_counts=True) for each in (edges, edges[:, ::-1]))
    np.testing.assert_array_equal(there[0], back[0])
    np.testing.assert_array_equal(there[1], back[1])


@pytest.mark.parametrize("name", FREE_FORMS)
def test_free_forms_are_watertight_and_of_one_piece(name: str) -> None:
    vertices, triangles = form_mesh(FREE_FORMS[name])
    assert_watertight(triangles)
    edges = edges_of(triangles)
    links = coo_matrix((np.ones(len(edges)), tuple(edges.T)), (len(vertices),) * 2)
    assert connected_components(links, directed=False)[0] == 1
    assert volume(vertices, triangles) > 0.3


@pytest.mark.parametrize("name", FREE_FORMS)
def test_free_forms_keep_to_their_footprint_and_above_the_floor(name: str) -> None:
    vertices, _ = form_mesh(FREE_FORMS[name])
    assert FOOTPRINTS[name] - 0.06 < np.linalg.norm(vertices[:, :2], axis=1).max() <= FOOTPRINTS[name] + 0.01
    lowest = vertices[:, 2].min()
    assert lowest > -0.7 if name == "dolphin" else abs(lowest + 1) < 0.03, "the dolphin leaps, all others stand"


@pytest.mark.parametrize(
    ("solid", "expected"),
    [
        (lambda p: solids.ellipsoid(p, (0.1, 0, 0), (0.8, 0.5, 0.6)), 4 / 3 * np.pi * 0.8 * 0.5 * 0.6),
        (lambda p: solids.limb(p, (-0.4, 0, 0), (0.4, 0, 0), 0.3, 0.3), np.pi * 0.09 * 0.8 + 4 / 3 * np.pi * 0.027),
        (lambda p: solids.torus(p, (0, 0, 0.1), 0.6, 0.2), 2 * np.pi**2 * 0.6 * 0.04),
        (lambda p: solids.drum(p, -0.5, 0.7, 0.5), np.pi * 0.25 * 1.2),
        (lambda p: solids.without(solids.drum(p, -0.5, 0.5, 0.7), solids.drum(p, -1, 1, 0.4)), np.pi * 0.33),
        (lambda p: solids.union(solids.drum(p, -0.8, -0.3, 0.5), solids.drum(p, 0.3, 0.8, 0.5)), np.pi * 0.25),
    ],
    ids=["ellipsoid", "limb", "torus", "drum", "without", "union"],
)
def test_meshes_have_the_volume_of_their_solid(solid, expected: float) -> None:
    vertices, triangles = extract_surface(solid, extent=1.0, cell=0.04)
    assert_watertight(triangles)
    assert volume(vertices, triangles) == pytest.approx(expected, rel=0.03)


def test_a_blended_union_fills_the_notch_and_nothing_else() -> None:
    def two(points: np.ndarray, blend: float) -> np.ndarray:
        balls = [solids.ellipsoid(points, (x, 0, 0), (0.4, 0.4, 0.4)) for x in (-0.3, 0.3)]
        return solids.union(*balls, blend=blend)

    notch, far = np.array([0, 0, 0.3]), np.array([-0.75, 0, 0])
    assert two(notch, 0.01) > 0 > two(notch, 0.3)
    assert two(far, 0.01) == two(far, 0.3)


def test_vertices_lie_on_the_surface() -> None:
    vertices, _ = extract_surface(lambda p: np.linalg.norm(p, axis=-1) - 0.7, extent=1.0, cell=0.05)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.7, atol=2e-3)


def test_a_solid_that_reaches_out_of_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="reaches out"):
        extract_surface(lambda p: np.linalg.norm(p, axis=-1) - 0.7, extent=0.6, cell=0.05)
