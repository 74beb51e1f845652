"""What a scene is begun with, and keeps in its journal so that it can be continued and finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from capture.errors import CaptureError
from capture.motion.view_planning import ViewPlan
from capture.storage.index import KIND
from capture.storage.partial_scene import PartialScene

_PLAN = {"seed": int, "viewpoints": str, "objects": list, "facts": dict}  # beside `views`, where an arm is driven
_LASTING = ("robot", "camera_serial", "T_world_base", "T_tool_camera")  # facts on which the poses of views rest


def planned_views(plan: ViewPlan) -> dict[str, Any]:
    """What a scene keeps of the views that were planned, and of those that were left out."""
    views = [{"joints": view.joints.tolist(), "T_world_camera": view.T_world_camera.tolist()} for view in plan.views]
    return {"views": views, "left_out": [asdict(left_out) for left_out in plan.left_out]}


def expect_plan(scene: PartialScene) -> None:
    """Raises CaptureError where the plan that the scene was begun with lacks what every plan has."""
    wrong = [name for name, kind in _PLAN.items() if not isinstance(scene.plan.get(name), kind)]
    if wrong:
        raise CaptureError(
            f"{scene.path}: the first line of its journal has no proper {' and '.join(wrong)}: it is damaged, or of "
            "another version; move the folder to safety"
        )


def expect_same_rig(scene: PartialScene, facts: Mapping[str, Any]) -> None:
    """Raises CaptureError where the poses of further views would not fit those of the views that are there.

    Args:
        facts: of the rig that is to go on; see `capture.recording.facts`.
    """
    changed = [name for name in _LASTING if scene.plan["facts"].get(name) != facts[name]]
    if changed:
        raise CaptureError(
            f"{scene.name} was begun with another {' and '.join(changed)}: resume with robot, camera and "
            f"calibration of then, or keep the views that it has by `lds capture finish {scene.path.parent}`"
        )


def finish_planned(scene: PartialScene, facts: Mapping[str, Any]) -> None:
    """Finish a scene, with further facts beside those that it was begun with. Raises StorageError."""
    plan = scene.plan
    meta = {"kind": KIND, "seed": plan["seed"], "viewpoints": plan["viewpoints"]}
    scene.finish({**plan["facts"], **facts}, plan["objects"], meta)
