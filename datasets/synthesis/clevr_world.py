"""CLEVR's grey floor under three soft lamps, with objects on it, as a MuJoCo model. Who renders it adds the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datasets.synthesis.clevr_objects import COLOURS, MATERIALS, MAX_OBJECTS, ClevrObject, Family
from datasets.synthesis.rendering import import_mujoco
from datasets.synthesis.surface import extract_surface

if TYPE_CHECKING:
    import mujoco

_AMBIENT = 0.36
# Where lamps hang, how far their light reaches around (metres), and their RGB strength: the key, the fill, the back.
LAMPS = (
    ((6.4, -2.9, 5.5), 1.5, (0.30, 0.29, 0.27)),
    ((-4.7, -4.0, 5.0), 1.5, (0.24, 0.25, 0.27)),
    ((-1.1, 2.6, 6.0), 2.0, (0.30, 0.30, 0.30)),
)
_SAMPLES = 2  # lights a lamp; fixed-function OpenGL has 8 lights in all
_FLOOR_HALF, _FLOOR_TEXELS = 150.0, 1024
_SKY = 118
_CELL = 0.05  # of the grid that free forms are meshed on, in units of their size
_SHOWN, _HIDDEN = 0, 5  # geom groups: MuJoCo draws the groups 0-2

_MODEL = """
<mujoco>
  <visual>
    <global offwidth="{pixels}" offheight="{pixels}"/>
    <quality shadowsize="512" offsamples="0" numslices="40" numstacks="24"/>
    <map znear="0.5" zfar="400" shadowclip="7"/>
    <headlight ambient="{ambient} {ambient} {ambient}" diffuse="0 0 0" specular="0 0 0"/>
  </visual>
  <statistic extent="1" center="0 0 0"/>
  <asset>
    <material name="rubber" specular="0.15" shininess="0.1"/>
  </asset>
</mujoco>
"""


def clevr_spec(family: Family, pixels: int) -> mujoco.MjSpec:
    """The model, not yet compiled, for pictures of up to pixels x pixels."""
    mujoco = import_mujoco()
    spec = mujoco.MjSpec.from_string(_MODEL.format(pixels=pixels, ambient=_AMBIENT))
    _add_texture(spec, "sky", mujoco.mjtTexture.mjTEXTURE_SKYBOX, np.full((6, 1, 3), _SKY, np.uint8))
    _add_texture(spec, "floor", mujoco.mjtTexture.mjTEXTURE_2D, floor_tones())
    _add_texture(spec, "metal", mujoco.mjtTexture.mjTEXTURE_CUBE, _reflections())
    _add_material(spec, "floor", "floor")
    _add_material(spec, "metal", "metal", specular=1.0, shininess=0.7)
    size = [_FLOOR_HALF, _FLOOR_HALF, 1]
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, name="floor", size=size, material="floor")
    for lamp, (_, _, strength) in enumerate(LAMPS):
        for sample in range(_SAMPLES):
            light = spec.worldbody.add_light(name=f"lamp{lamp}/{sample}", castshadow=True)
            light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
            light.diffuse = light.specular = np.array(strength) / _SAMPLES
            light.ambient = np.zeros(3)
    _add_forms(spec, family)
    for i in range(MAX_OBJECTS):
        _add_object(spec, i, family)
    return spec


def floor_tones() -> np.ndarray:
    """uint8 [T,T,3]: the lit floor seen from above, x to the right, y up; fitted to the official scenes' background.

    It is brighter in the middle, with a warm pool of light under the key lamp and a faint blue one under the fill.
    """
    steps = (np.arange(_FLOOR_TEXELS) + 0.5) / _FLOOR_TEXELS * 2 * _FLOOR_HALF - _FLOOR_HALF
    x, y = np.meshgrid(steps, -steps)

    def pool(centre: tuple[float, float], width: float, tone: tuple[float, float, float]) -> np.ndarray:
        falloff = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        return falloff[..., None] * np.array(tone)

    dusk = 118 + pool((0, 0), 70, (33, 33, 33))
    pools = pool((0, 0), 5, (21, 21, 21)) + pool((5.3, -2.3), 1.8, (26, 24, 17)) + pool((-3.8, -3.3), 1.5, (5, 6, 10))
    return np.rint(dusk + pools).astype(np.uint8)


def _reflections() -> np.ndarray:
    """uint8 [6T,T,3]: what polished metal mirrors, a grey sky above and the bright floor below, as a cube map."""
    texels = 32
    rise = np.linspace(1, -1, texels)[:, None].repeat(texels, 1)  # of a side's rows, from top to bottom
    sides = 205 - 25 * rise - 60 * np.exp(-((rise - 0.35) ** 2) / 0.04)
    up, down = np.full_like(sides, 170), np.full_like(sides, 235)
    faces = np.concatenate([sides, sides, up, down, sides, sides])
    return np.rint(faces)[..., None].repeat(3, -1).astype(np.uint8)


def _add_texture(spec: mujoco.MjSpec, name: str, kind: int, pixels: np.ndarray) -> None:
    texture = spec.add_texture(name=name, type=kind, nchannel=3, height=pixels.shape[0], width=pixels.shape[1])
    texture.data = pixels.tobytes()


def _add_material(spec: mujoco.MjSpec, name: str, texture: str, specular: float = 0.0, shininess: float = 0.0) -> None:
    material = spec.add_material(name=name, specular=specular, shininess=shininess)
    material.textures[import_mujoco().mjtTextureRole.mjTEXROLE_RGB] = texture


def _add_forms(spec: mujoco.MjSpec, family: Family) -> None:
    """A mesh for every free form and size."""
    for shape, solid in family.forms.items():
        vertices, triangles = extract_surface(solid, 1.3, _CELL)
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
            body.add_geom(name=f"{i}/{shape}/{size}", type=primitive, size=[radius] * 3, **common)
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
        """Light from other points of the lamps: pictures under several such lights have soft shadows in their mean."""
        for lamp, (place, reach, _) in enumerate(LAMPS):
            for sample in range(_SAMPLES):
                towards = -np.array(place) + rng.normal(0, reach, 3)
                self.model.light_dir[self.model.light(f"lamp{lamp}/{sample}").id] = towards / np.linalg.norm(towards)

    def labels(self, geoms: np.ndarray) -> np.ndarray:
        """Geom ids int [H,W] as instance ids uint8 [H,W]: object i is i + 1, all else 0."""
        return self._bodies[geoms]
