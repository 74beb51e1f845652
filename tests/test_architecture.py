"""The rules that keep the house in order: imports go one way, ROS stays at the edge, heavy packages load late."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Which of our packages each may import beside itself. Nodes join the packages, see `allowed_packages`.
MAY_IMPORT = {
    "datasets": set(),
    "lds_models": {"datasets"},
    "lds_ros": {"datasets"},
    "capture": {"lds_models", "datasets"},
    "perception": {"lds_models", "datasets"},
    "lds_cli": {"capture", "perception", "lds_models", "datasets"},
}
ROS_MODULES = {
    "actionlib", "cv_bridge", "diagnostic_updater", "dynamic_reconfigure", "genpy", "lds_scenes", "message_filters",
    "rosbag", "rosgraph", "roslaunch", "roslib", "rosnode", "rosparam", "rospkg", "rospy", "rostopic", "std_srvs",
    "tf", "tf2_ros",
}  # fmt: skip
HEAVY_MODULES = {"cv2", "matplotlib", "mujoco", "openvino", "rospy"}

MODULES = sorted(path.relative_to(ROOT) for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def imported_modules(source: str, package: str) -> set[str]:
    """Full names of all modules that a source text imports, anywhere in it; `package` resolves relative imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(importlib.util.resolve_name("." * node.level + (node.module or ""), package))
    return names


def top_level_imports(path: Path) -> set[str]:
    package = ".".join(path.parent.parts)
    return {name.partition(".")[0] for name in imported_modules((ROOT / path).read_text(), package)}


def is_ros(module: str) -> bool:
    return module in ROS_MODULES or module.endswith("_msgs")


def may_import_ros(path: Path) -> bool:
    return (
        path.name.endswith("_node.py")
        or path
        in {
            Path("capture/cameras/ros_topic.py"),
            Path("capture/simulation/controller.py"),
            Path("perception/messages.py"),
            Path("perception/services.py"),
        }
        or path.parts[0] == "lds_ros"
        or (Path("capture/arms") in path.parents and path.name != "arm.py")
    )


def allowed_packages(path: Path) -> set[str]:
    own = path.parts[0]
    neighbours = {"capture", "perception"} if path.name.endswith("_node.py") else set()
    edge = {"lds_ros"} if may_import_ros(path) else set()
    return {own} | MAY_IMPORT[own] | neighbours | edge


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\ndef f():\n    from c import d\n    from . import e\n    from ..g.h import i\n"
    assert imported_modules(source, "us.sub") == {"a.b", "c", "us.sub", "us.g.h"}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_go_one_way(path: Path) -> None:
    wrong = top_level_imports(path) & set(MAY_IMPORT) - allowed_packages(path)
    assert not wrong, f"{path} imports {wrong}: imports go nodes -> (capture, perception) -> lds_models -> datasets"


@pytest.mark.parametrize("path", [path for path in MODULES if not may_import_ros(path)], ids=str)
def test_ros_stays_at_the_edge(path: Path) -> None:
    ros = {module for module in top_level_imports(path) if is_ros(module)}
    assert not ros, f"{path} imports {ros}: only *_node.py and the message-conversion modules talk to ROS"


@pytest.mark.parametrize("path", [Path("datasets"), Path("lds_models/training")], ids=str)
def test_heavy_packages_are_not_loaded_on_import(path: Path) -> None:
    modules = [".".join(module.with_suffix("").parts) for module in MODULES if path in (module, *module.parents)]
    code = f"import {', '.join(modules)}, sys; print(*sorted({HEAVY_MODULES} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not loaded.split(), f"importing {path} loads {loaded.strip()}: import it in the function that uses it"
