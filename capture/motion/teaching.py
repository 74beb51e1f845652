"""Joint positions that an operator saves one by one, in a file that recording replays: viewpoints of kind `taught`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from capture.motion.planning import Planner
from capture.motion.viewpoints import TaughtPattern, load_viewpoints
from capture.settings_file import SettingsError
from datasets.atomic import whole_file
from datasets.scene import DatasetError

MOVED = 0.05  # rad; two waypoints closer than this in all joints show the same view


class Lesson:
    """A file of waypoints that grows. It is written whole after every change, so that no end of the program loses one.

    Args:
        file: the YAML file; what it holds already stays, and new waypoints follow.
        planner: of the robot.

    Raises:
        SettingsError: the file is there, and does not hold waypoints of this robot.
    """

    def __init__(self, file: Path, planner: Planner) -> None:
        self.file, self._planner = file, planner
        self._waypoints: list[np.ndarray] = []
        if file.exists():
            pattern = load_viewpoints(file)
            if not isinstance(pattern, TaughtPattern) or pattern.joint_names != planner.joint_names:
                raise SettingsError(f"{file}: holds no waypoints of this robot; choose another file")
            self._waypoints = list(pattern.waypoints)

    def __len__(self) -> int:
        return len(self._waypoints)

    def add(self, joints: np.ndarray) -> list[str]:
        """Save joint positions [J] (rad); what is to be said against them, in words.

        Raises:
            SettingsError: the file cannot be written; the waypoint is not saved.
        """
        warnings = []
        if reason := self._planner.collisions.why_not(joints):
            warnings.append(f"recording will leave this one out: {reason}")
        for number, other in enumerate(self._waypoints, 1):
            if np.abs(joints - other).max() < MOVED:
                warnings.append(f"it is almost the same as waypoint {number}")
        self._save([*self._waypoints, np.asarray(joints, np.float64)])
        return warnings

    def undo(self) -> bool:
        """Take the newest waypoint back; tells whether there was one."""
        if not self._waypoints:
            return False
        self._save(self._waypoints[:-1])
        return True

    def _save(self, waypoints: list[np.ndarray]) -> None:
        content = {
            "kind": "taught",
            "joint_names": list(self._planner.joint_names),
            "waypoints": [[round(float(angle), 6) for angle in waypoint] for waypoint in waypoints],
        }
        try:
            if waypoints:
                with whole_file(self.file) as temporary:
                    temporary.write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=200))
            else:
                self.file.unlink(missing_ok=True)
        except (DatasetError, OSError) as error:
            raise SettingsError(str(error)) from error
        self._waypoints = waypoints
