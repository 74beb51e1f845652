"""Pictures of CLEVR's scenes by path tracing (Mitsuba 3): light that bounces, soft shadows, metal that mirrors.

Light, floor and colours were fitted to the official pictures (docs/datasets.md): light is additive, so the mean picture
of their empty floor gives the lamps by least squares, and the mean colours of their objects give the surfaces.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.scene import DatasetError
from datasets.synthesis.clevr_objects import ClevrObject, Family
from datasets.synthesis.clevr_textures import FLOOR_HALF, horizon_tone
from datasets.synthesis.clevr_world import CUBE, form_mesh
from datasets.synthesis.surface import SignedDistance

if TYPE_CHECKING:
    import mitsuba

SAMPLES = 96  # a pixel
_BOUNCES = 5
_FLOOR = 0.6  # reflectance
_DOME = 0.531  # radiance of the sky from so many degrees above the horizon on
_DOME_BEGINS = 16
# Square lamps: where they hang, metres; the radiance of each, RGB. They look at a point between them and the origin.
_LAMPS = (((5.5, -2.5, 8.0), (22.8, 20.8, 17.4)), ((-4.2, -3.6, 8.0), (4.1, 5.0, 7.6)))
_LAMP_HALF, _LAMP_AIM = 0.8, 0.3
_REFLECTANCE = {  # linear RGB
    "gray": (0.329, 0.332, 0.327),
    "red": (0.692, 0.136, 0.136),
    "blue": (0.158, 0.289, 0.806),
    "green": (0.107, 0.423, 0.075),
    "brown": (0.472, 0.276, 0.090),
    "purple": (0.512, 0.150, 0.770),
    "cyan": (0.137, 0.732, 0.728),
    "yellow": (0.937, 0.882, 0.189),
}


def import_mitsuba() -> ModuleType:
    """Mitsuba, on one thread: processes share the work.

    Raises:
        DatasetError: it is not installed.
    """
    try:
        import drjit
        import mitsuba
    except ImportError as error:
        raise DatasetError(f"path tracing needs Mitsuba 3 ({error}): pip install mitsuba") from error
    mitsuba.set_variant("scalar_rgb")
    drjit.set_thread_count(1)
    return mitsuba


class PathTracer:
    """Square pictures of objects on CLEVR's floor."""

    def __init__(self, family: Family, size: int, vertical_fov: float) -> None:
        """Pictures of `size` x `size` pixels, the field of view in radians."""
        self._mitsuba = import_mitsuba()
        self._family, self._size, self._fov = family, size, float(np.rad2deg(vertical_fov))
        self._scene: mitsuba.Scene

    def arrange(self, objects: list[ClevrObject]) -> None:
        """Put these objects on the floor, and no others."""
        parts = {"type": "scene", "integrator": {"type": "path", "max_depth": _BOUNCES + 1}, **_surroundings()}
        for i, each in enumerate(objects):
            for j, solid in enumerate(self._solids(each)):
                parts[f"object{i}_{j}"] = solid
        # Merging like parts, as it would by itself, gives the noise of another seed once in twenty times.
        self._scene = self._mitsuba.load_dict(parts, optimize=False)

    def colour(self, pose: np.ndarray, seed: int) -> np.ndarray:
        """float [H,W,3] RGB, 0-255, from T_world_camera [4,4]; the same for the same seed."""
        picture = self._mitsuba.render(self._scene, sensor=self._camera(pose), seed=seed)
        return 255 * srgb(np.array(picture))

    def _camera(self, pose: np.ndarray) -> mitsuba.Sensor:
        axes = np.diag([-1.0, -1.0, 1.0, 1.0])  # Mitsuba's camera: x left, y up, z forward
        size = {"width": self._size, "height": self._size}
        return self._mitsuba.load_dict({
            "type": "perspective", "fov": self._fov, "fov_axis": "y",
            "to_world": self._mitsuba.ScalarTransform4f(pose @ axes),
            "film": {"type": "hdrfilm", "pixel_format": "rgb", "rfilter": {"type": "gaussian"}, **size},
            "sampler": {"type": "independent", "sample_count": SAMPLES},
        })  # fmt: skip

    def _solids(self, each: ClevrObject) -> list[Any]:
        """What Mitsuba makes an object of."""
        surface, place = _surface(each.material, each.colour), self._place(each)
        if each.shape in self._family.forms:
            return [_mesh(self._mitsuba, self._family.forms[each.shape], place, surface)]
        at = self._mitsuba.ScalarTransform4f(place)
        kind = self._family.primitives[each.shape]
        if kind == "box":
            return [{"type": "cube", "to_world": at.scale(CUBE), "bsdf": surface}]
        if kind == "sphere":
            return [{"type": "sphere", "to_world": at, "bsdf": surface}]
        side = {"type": "cylinder", "p0": [0, 0, -1], "p1": [0, 0, 1], "radius": 1, "to_world": at, "bsdf": surface}
        return [side, {"type": "disk", "to_world": at.translate([0, 0, 1]), "bsdf": surface}]

    def _place(self, each: ClevrObject) -> np.ndarray:
        """From units of the object's size to the world, [4,4]."""
        place, size = np.eye(4), self._family.sizes[each.size]
        cos, sin = np.cos(each.rotation), np.sin(each.rotation)
        place[:3, :3] = size * np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        place[:3, 3] = each.position
        return place


def srgb(linear: np.ndarray) -> np.ndarray:
    """Linear intensities as sRGB's (IEC 61966-2-1), clipped to [0,1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _linear(tones: np.ndarray) -> np.ndarray:
    """The inverse of `srgb`, of grey levels 0-255 above 10."""
    return ((tones / 255 + 0.055) / 1.055) ** 2.4


@cache
def _surroundings() -> dict[str, Any]:
    """Floor, sky and lamps."""
    mitsuba = import_mitsuba()
    at = mitsuba.ScalarTransform4f()
    floor = {"type": "diffuse", "reflectance": _rgb([_FLOOR] * 3)}
    parts = {
        "floor": {"type": "rectangle", "to_world": at.scale([FLOOR_HALF, FLOOR_HALF, 1]), "bsdf": floor},
        "sky": {"type": "envmap", "bitmap": mitsuba.Bitmap(_sky()), "to_world": at.rotate([1, 0, 0], 90)},
    }
    for i, (place, radiance) in enumerate(_LAMPS):
        target = [_LAMP_AIM * place[0], _LAMP_AIM * place[1], 0]
        facing = at.look_at(origin=place, target=target, up=[0, 0, 1]).scale([_LAMP_HALF, _LAMP_HALF, 1])
        light = {"type": "area", "radiance": _rgb(radiance)}
        parts[f"lamp{i}"] = {"type": "rectangle", "to_world": facing, "emitter": light}
    return parts


def _sky() -> np.ndarray:
    """Radiance float32 [180,4,3], from the zenith down: the horizon as it is seen, and a brighter dome above it."""
    elevations = 89.5 - np.arange(180)
    radiance = np.where(elevations < _DOME_BEGINS, _linear(horizon_tone(elevations)), _DOME)
    return radiance.astype(np.float32)[:, None, None].repeat(4, 1).repeat(3, 2)


def _surface(material: str, colour: str) -> dict[str, Any]:
    tint = _rgb(_REFLECTANCE[colour])
    if material == "metal":
        return {"type": "roughconductor", "material": "none", "alpha": 0.05, "specular_reflectance": tint}
    return {"type": "roughplastic", "alpha": 0.4, "diffuse_reflectance": tint, "specular_reflectance": _rgb([0.4] * 3)}


def _rgb(value: Any) -> dict[str, Any]:
    return {"type": "rgb", "value": list(value)}


def _mesh(mitsuba: ModuleType, solid: SignedDistance, place: np.ndarray, surface: dict[str, Any]) -> mitsuba.Mesh:
    """A free form, smoothly shaded, at `place` [4,4]."""
    vertices, triangles = form_mesh(solid)
    properties = mitsuba.Properties()
    properties["bsdf"] = mitsuba.load_dict(surface)
    mesh = mitsuba.Mesh("form", len(vertices), len(triangles), has_vertex_normals=True, props=properties)
    parameters = mitsuba.traverse(mesh)
    parameters["vertex_positions"] = (vertices @ place[:3, :3].T + place[:3, 3]).ravel()
    parameters["faces"] = triangles.ravel()
    parameters.update()
    mesh.recompute_vertex_normals()
    return mesh
