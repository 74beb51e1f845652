"""Where the files of ROS packages lie."""

from __future__ import annotations

from pathlib import Path

import rospkg


def find_mesh(address: str) -> Path:
    """The file that package://PACKAGE/PATH or file://PATH means. Raises ValueError where there is no such package."""
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    package, _, path = address.removeprefix("package://").partition("/")
    try:
        return Path(rospkg.RosPack().get_path(package)) / path
    except rospkg.ResourceNotFound as error:
        raise ValueError(f"there is no package '{package}' here; install or source it") from error
