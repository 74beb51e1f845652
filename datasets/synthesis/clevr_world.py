"""CLEVR's grey floor under three soft lamps, with objects on it, as a MuJoCo model. Who renders it adds the camera."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from datasets.synthesis.clevr_objects import COLOURS, MATERIALS, MAX_OBJECTS, ClevrObject, Family
from datasets.synthesis.clevr_textures import FLOOR_HALF, floor_tones, reflections, sky_tones
from datasets.synthesis.rendering import import_mujoco
from datasets.synthesis.surface import SignedDistance, extract_surface

if TYPE_CHECKING:
    import mujoco

_AMBIENT = 0.60  # of the light on the floor; the lamps give the rest
# Where lamps hang, how far their light reaches around (metres), what each adds to the light on the floor: key, fill,
# back. Their colours are the floor's (`floor_tones`).
LAMPS = (
    ((5.5, -2.5, 8.0), 2.5, 0.16),
    ((-4.2, -3.6, 7.0), 2.5, 0.12),
    ((-1.1, 2.6, 7.0), 2.5, 0.12),
)
_BOUNCE = 0.2  # of the floor's light comes back from it and lights objects from below
_HIGHLIGHT = 1.8  # strength of a lamp's mirror image
CUBE = 0.965  # half a cube's side in units of its size: the official cubes' edges are rounded off
_SAMPLES = 2  # lights a lamp; fixed-function OpenGL has 8 lights in all
_EXTENT, _CELL = 2.0, 0.07  # half width and cell of the grid that free forms are meshed on, in units of their size
_SHOWN, _HIDDEN = 0, 5  # geom groups: MuJoCo draws the groups 0-2

_MODEL = """
<mujoco>
  <visual>
    <global offwidth="{pixels}" offheight="{pixels}"/>
    <quality shadowsize="256" offsamples="0" numslices="40" numstacks="24"/>
    <map znear="0.5" zfar="400" shadowclip="7"/>
    <headlight ambient="{ambient} {ambient} {ambient}" diffuse="0 0 0" specular="0 0 0"/>
  </visual>
  <statistic extent="1" center="0 0 0"/>
  <asset>
    <material name="rubber" specular="0.03" shininess="0.1"/>
  </asset>
  <worldbody>
    <light name="bounce" type="directional" dir="0 0 1" castshadow="false"
           diffuse="{bounce} {bounce} {bounce}" specular="0 0 0"/>
  </worldbody>
</mujoco>
"""


def clevr_spec(family: Family, pixels: int) -> mujoco.MjSpec:
    """The model, not yet compiled, for pictures of up to pixels x pixels."""
    mujoco = import_mujoco()
    spec = mujoco.MjSpec.from_string(_MODEL.format(pixels=pixels, ambient=_AMBIENT, bounce=_BOUNCE))
    _add_texture(spec, "sky", mujoco.mjtTexture.mjTEXTURE_SKYBOX, sky_tones())
    _add_texture(spec, "floor", mujoco.mjtTexture.mjTEXTURE_2D, floor_tones())
    _add_texture(spec, "metal", mujoco.mjtTexture.mjTEXTURE_CUBE, reflections())
    _add_material(spec, "floor", "floor")
    _add_material(spec, "metal", "metal", specular=1.0, shininess=1.0)
    floor = {"type": mujoco.mjtGeom.mjGEOM_PLANE, "size": [FLOOR_HALF, FLOOR_HALF, 1], "material": "floor"}
    spec.worldbody.add_geom(name="floor", pos=[0, 0, -0.002], **floor)  # so that soles do not flicker through it
    for lamp in range(len(LAMPS)):
        for sample in range(_SAMPLES):
            light = spec.worldbody.add_light(name=f"lamp{lamp}/{sample}", castshadow=True)
            light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
            light.specular, light.ambient = np.full(3, _HIGHLIGHT / _SAMPLES), np.zeros(3)
    _add_forms(spec, family)
    for i in range(MAX_OBJECTS):
        _add_object(spec, i, family)
    return spec


def _add_texture(spec: mujoco.MjSpec, name: str, kind: int, pixels: np.ndarray) -> None:
    texture = spec.add_texture(name=name, type=kind, nchannel=3, height=pixels.shape[0], width=pixels.shape[1])
    texture.data = pixels.tobytes()


def _add_material(spec: mujoco.MjSpec, name: str, texture: str, specular: float = 0.0, shininess: float = 0.0) -> None:
    material = spec.add_material(name=name, specular=specular, shininess=shininess)
    material.textures[import_mujoco().mjtTextureRole.mjTEXROLE_RGB] = texture


@functools.cache
def form_mesh(solid: SignedDistance) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [N,3] and triangles [M,3] of a free form, in units of an object's size."""
    return extract_surface(solid, _EXTENT, _CELL)


def _add_forms(spec: mujoco.MjSpec, family: Family) -> None:
    """A mesh for every free form and size."""
    for shape, solid in family.forms.items():
        vertices, triangles = form_mesh(solid)
        for size, radius in family.sizes.items():
            mesh = spec.add_mesh(name=f"{shape}/{size}", smoothnormal=True)
            mesh.uservert, mesh.userface = (radius * vertices).ravel(), triangles.ravel()


def _add_object(spec: mujoco.MjSpec, i: int, family: Family) -> None:
    """A body that can be any object of the family: all its shapes and sizes, of which one is shown."""
    mujoco = import_mujoco()
    body = spec.worldbody.add_body(name=f"object{i}", mocap=True)
    common = {"group": _HIDDEN, "contype": 0, "conaffinity": 0}
    for size, radius in family.sizes.items():
        for shape, kind in family.primitives.items():
            primitive = getattr(mujoco.mjtGeom, f"mjGEOM_{kind.upper()}")
            extent = radius * (CUBE if kind == "box" else 1)
            body.add_geom(name=f"{i}/{shape}/{size}", type=primitive, size=[extent] * 3, **common)
        for shape in family.forms:
            mesh = f"{shape}/{size}"
            body.add_geom(name=f"{i}/{mesh}", type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh, **common)


class ClevrWorld:
    """What varies from scene to scene, and from picture to picture, in a compiled `clevr_spec`."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self.model, self.data = model, data
        self._floor = model.geom("floor").id
        self._materials = {name: model.material(name).id for name in MATERIALS}
        self._bodies = np.append(model.geom_bodyid, 0).astype(np.uint8)  # the last one for -1, where no geom is
        self._shown: list[int] = []

    def arrange(self, objects: list[ClevrObject]) -> None:
        """Put these objects on the floor, and no others."""
        self._shown = []
        for i, each in enumerate(objects):
            geom = self.model.geom(f"{i}/{each.shape}/{each.size}").id
            self.model.geom_rgba[geom] = [*COLOURS[each.colour], 1]
            self.model.geom_matid[geom] = self._materials[each.material]
            self.data.mocap_pos[i] = each.position
            self.data.mocap_quat[i] = [np.cos(each.rotation / 2), 0, 0, np.sin(each.rotation / 2)]
            self._shown.append(geom)
        self.show_all()

    def show_all(self) -> None:
        """The floor and every object."""
        self._show([self._floor, *self._shown])

    def show_only(self, i: int) -> None:
        """Object i alone, without the floor."""
        self._show([self._shown[i]])

    def _show(self, geoms: list[int]) -> None:
        self.model.geom_group[:] = _HIDDEN
        self.model.geom_group[geoms] = _SHOWN

    def move_lamps(self, rng: np.random.Generator) -> None:
        """Light from other points of the lamps: pictures under several such lights have soft shadows in their mean.

        The floor, where no shadow falls, stays as light as it was.
        """
        for lamp, (place, reach, strength) in enumerate(LAMPS):
            for sample in range(_SAMPLES):
                light = self.model.light(f"lamp{lamp}/{sample}").id
                towards = -np.array(place) + rng.normal(0, reach, 3) * [1, 1, 0]
                towards /= np.linalg.norm(towards)
                self.model.light_dir[light] = towards
                self.model.light_diffuse[light] = strength / _SAMPLES / -towards[2]

    def labels(self, geoms: np.ndarray) -> np.ndarray:
        """Geom ids int [H,W] as instance ids uint8 [H,W]: object i is i + 1, all else 0."""
        return self._bodies[geoms]
