"""Where the tool was at a given time, from tf."""

from __future__ import annotations

import time

import numpy as np

from capture.errors import MotionError, PoseError
from lds_ros.poses import PoseUnknown, TfPoses

POLL = 0.02  # s
WAIT = 0.5  # s for a pose that is not there yet


class TfPose:
    """T_base_tool from tf. Listens from its beginning until `close`."""

    def __init__(self, base_frame: str, tool_frame: str) -> None:
        self._poses, self._tool = TfPoses(base_frame), tool_frame

    def close(self) -> None:
        self._poses.close()

    def wait(self, timeout: float) -> None:
        """Wait until a pose is known. Raises MotionError where none is within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.newest()
                return
            except PoseError as error:
                if time.monotonic() > deadline:
                    raise MotionError(str(error)) from error
            time.sleep(POLL)

    def newest(self) -> float:
        """The newest time (s) for which the pose is known. Raises PoseError where it never was."""
        try:
            return self._poses.newest(self._tool)
        except PoseUnknown as error:
            raise PoseError(str(error)) from error

    def at(self, stamp: float) -> np.ndarray:
        """T_base_tool [4,4] at `stamp` (s), waiting a little until it is known. Raises PoseError where it is not."""
        try:
            return self._poses.at(self._tool, stamp, WAIT)
        except PoseUnknown as error:
            raise PoseError(str(error)) from error
