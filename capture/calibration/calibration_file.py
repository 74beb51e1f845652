"""A calibration in a file, with a digest that tells when somebody changed it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture.calibration.calibration import COMMAND, Calibration
from capture.calibration.verdict import GRADES
from capture.errors import CalibrationError
from capture.plain_data import from_plain, to_plain
from datasets.atomic import whole_file
from datasets.scene import DatasetError
from datasets.yaml_file import read_yaml

FORMAT = "lds_scenes calibration 1"
HEADER = f"""\
# Made by `{COMMAND}`. Lengths are metres, image sizes and errors pixels, unless a name says otherwise.
# T_tool_camera: the camera's optical frame (x right, y down, z forward) in the arm's tool frame.
# Not to be edited by hand: the digest would no longer fit, and the file would be refused.
"""


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration, whole or not at all; missing folders are made. Raises CalibrationError where it cannot."""
    import yaml

    content = {"format": FORMAT, "digest": calibration.digest, **to_plain(calibration)}
    dumper = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})  # the same date twice, in full
    text = HEADER + yaml.dump(content, Dumper=dumper, sort_keys=False, default_flow_style=None, width=120)
    try:
        with whole_file(path) as temporary:
            temporary.write_text(text)
    except DatasetError as error:
        raise CalibrationError(str(error)) from error


def load_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        CalibrationError: there is no such file, it is none, something in it is missing, unknown or not possible, or it
            was changed since it was made.
    """
    try:
        content = read_yaml(path)
    except FileNotFoundError as error:
        raise CalibrationError(f"{path}: there is no such calibration; make it by {COMMAND}") from error
    except (OSError, ValueError) as error:
        raise CalibrationError(f"{path}: cannot be read as a calibration: {error}") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise CalibrationError(f"{path}: is not a calibration: it has no line 'format: {FORMAT}'")
    digest = content.pop("digest", None)
    try:
        calibration = from_plain(Calibration, content, "the file")
        _check(calibration)
    except ValueError as error:
        raise CalibrationError(f"{path}: {error}; run {COMMAND} again") from error
    if calibration.digest != digest:
        raise CalibrationError(f"{path}: was changed since it was made (its digest differs); run {COMMAND} again")
    return calibration


def _check(calibration: Calibration) -> None:
    """Raises ValueError where numbers are of the right kind, but cannot be."""
    for part in (calibration.intrinsics, calibration.hand_eye):
        if part is not None and part.made.tzinfo is None:
            raise ValueError("'made' has no time zone")
        if part is not None and part.verdict.grade not in GRADES:
            raise ValueError(f"the verdict is '{part.verdict.grade}' and none of {', '.join(GRADES)}")
    if calibration.intrinsics is not None:
        K = calibration.intrinsics.lens.K
        if K[0, 0] <= 0 or K[1, 1] <= 0 or not np.array_equal(K[2], [0, 0, 1]):
            raise ValueError("'K' is not a camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
    if (hand_eye := calibration.hand_eye) is not None:
        if hand_eye.verified is not None and hand_eye.verified.tzinfo is None:
            raise ValueError("'verified' has no time zone")
        T = hand_eye.T_tool_camera
        rigid = np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-6) and np.linalg.det(T[:3, :3]) > 0
        if not rigid or not np.array_equal(T[3], [0, 0, 0, 1]):
            raise ValueError("'T_tool_camera' is not a pose (a rotation and a translation)")
