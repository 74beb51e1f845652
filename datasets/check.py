"""Is this dataset sound? Reads every scene, gathers what is wrong, and says so in words."""

from __future__ import annotations

from collections.abc import Callable

from datasets.checks.depth import check_depth
from datasets.checks.epipolar import EpipolarCheck
from datasets.checks.findings import Findings, listed
from datasets.checks.objects import check_masks, check_positions
from datasets.checks.pictures import check_pictures
from datasets.checks.poses import check_poses
from datasets.checks.recording import check_folder, check_recording
from datasets.recording_facts import recorded_files
from datasets.scene import DatasetError, Scene
from datasets.scene_dataset import SceneDataset

__all__ = ["Findings", "check_dataset"]


def check_dataset(dataset: SceneDataset, progress: Callable[[int], None] = lambda scenes: None) -> Findings:
    """Read every scene of a dataset and gather what is wrong; bad scenes do not stop it.

    Args:
        progress: called with the number of scenes that have been checked since its last call.
    """
    findings = Findings()
    seen: dict[bytes, str] = {}
    epipolar = EpipolarCheck(findings)
    recorded = recorded_files(dataset)
    if recorded:
        check_folder(findings, dataset, recorded)
    for index in range(len(dataset)):
        try:
            scene = dataset[index]
            if recorded:
                check_recording(findings, recorded[index])
        except DatasetError as error:
            findings.problems.append(str(error))
        else:
            _check_scene(findings, scene, seen, epipolar)
        progress(1)
    epipolar.finish()
    if len(findings.image_sizes) > 1:
        sizes = ", ".join(f"{width} x {height}" for height, width in findings.image_sizes)
        findings.notes.append(f"images come in several sizes: {sizes}")
    if findings.unjudged:
        findings.notes.append(
            f"poses could not be judged by the pictures in {len(findings.unjudged)} of {findings.scenes} scenes "
            f"({listed(findings.unjudged)}): too few features; a patterned cloth on the table gives some"
        )
    return findings


def _check_scene(findings: Findings, scene: Scene, seen: dict[bytes, str], epipolar: EpipolarCheck) -> None:
    findings.scenes += 1
    findings.views[scene.num_views] += 1
    findings.image_sizes[scene.image_size] += 1
    findings.objects[scene.num_objects] += 1
    problems = len(findings.problems)
    check_pictures(findings, scene, seen)
    check_poses(findings, scene)
    proven = []
    if len(findings.problems) == problems:  # pictures and poses that are none cannot be compared
        proven += [epipolar.add(scene), check_depth(findings, scene)]
    if scene.masks is not None:
        check_masks(findings, scene)
        proven.append(check_positions(findings, scene))
    if scene.T_world_camera is not None and scene.num_views > 1 and not any(proven):
        findings.unproven.append(scene.name)
