"""What pip and catkin both read: the version (from package.xml), the Python packages, and the data files.

Dependencies, the `lds` command and everything else that concerns pip alone stand in pyproject.toml. ROS Noetic's
Python 3.8 reads this file too, so that a robot's computer can build the messages.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree
from pathlib import Path

from setuptools import find_packages, setup

os.chdir(Path(__file__).resolve().parent)  # setuptools takes every path from here


def share_files() -> list[tuple[str, list[str]]]:
    """config/ and launch/, to be installed below share/lds_scenes, where catkin's install space has them too."""
    folders = [folder for top in ("config", "launch") for folder, _, _ in os.walk(top)]
    files = {folder: [str(path) for path in sorted(Path(folder).iterdir()) if path.is_file()] for folder in folders}
    return [(f"share/lds_scenes/{folder}", paths) for folder, paths in files.items() if paths]


setup(
    name="lds_scenes",
    version=xml.etree.ElementTree.parse("package.xml").findtext("version"),
    packages=find_packages(
        include=[
            f"{name}{dots}"
            for dots in ("", ".*")
            for name in ("capture", "datasets", "lds_cli", "lds_models", "lds_ros", "perception")
        ]
    ),
    package_dir={"": "."},
    package_data={
        "datasets": ["templates/*"],
        "lds_cli": ["templates/*"],
        "lds_models": ["kernels.cpp", "templates/*", "weights/*"],
    },
    data_files=share_files(),
)
