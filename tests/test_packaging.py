"""The package as ROS and pip users get it: messages, catkin's install space, the wheel, the pins."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
NODES = sorted(path.name for package in ("capture", "perception") for path in (ROOT / package).glob("*_node.py"))
SHARED_FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("config", "launch")
    for path in (ROOT / top).rglob("*")
    if path.is_file()
)
PACKAGE_FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("datasets/templates/*", "lds_cli/templates/*", "lds_models/templates/*", "lds_models/weights/*")
    for path in ROOT.glob(pattern)
)


def test_messages_survive_serialisation() -> None:
    pytest.importorskip("genpy", reason="no ROS")
    from lds_scenes.msg import SegmentedObject, SegmentedScene
    from sensor_msgs.msg import RegionOfInterest

    cube = SegmentedObject(id=7, area=120, centroid_x=10.5, centroid_y=3.25, confidence=0.5, slots_merged=2)
    cube.box = RegionOfInterest(x_offset=4, y_offset=1, width=12, height=10)
    cube.latent = [0.5, -1.5, 2.0]
    scene = SegmentedScene(model="monet_lds_table", image_width=640, image_height=480, objects=[cube])
    scene.duplicates_merged = 1
    scene.header.frame_id = "camera_optical"

    stream = io.BytesIO()
    scene.serialize(stream)
    received = SegmentedScene().deserialize(stream.getvalue())
    received.objects[0].latent = list(received.objects[0].latent)
    assert received == scene


def test_setup_py_is_python_of_noetic() -> None:
    """Ubuntu 20.04 has Python 3.8, which evaluates annotations unless told not to."""
    tree = ast.parse((ROOT / "setup.py").read_text(), feature_version=(3, 8))
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert "annotations" in {name.name for node in futures for name in node.names}


def test_messages_build_from_their_files_alone(tmp_path: Path) -> None:
    """As docs/messages.md says for the computer of a robot."""
    pytest.importorskip("catkin", reason="no ROS")
    source, build = tmp_path / "lds_scenes", tmp_path / "build"
    for name in ("msg", "srv", "action"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("CMakeLists.txt", "package.xml", "setup.py"):
        shutil.copy(ROOT / name, source)
    for command in (
        ["cmake", "-S", source, "-B", build, f"-DPYTHON_EXECUTABLE={sys.executable}"],
        ["cmake", "--build", build, "--target", "lds_scenes_generate_messages_py"],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
    built = {path.stem for path in (build / "devel/lib/python3/dist-packages/lds_scenes").glob("*/_*.py")}
    assert {"_SegmentedScene", "_Segment", "_RecordScenesGoal"} <= built


@pytest.fixture(scope="module")
def install_space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, configured, built and installed by cmake as catkin does it."""
    pytest.importorskip("catkin", reason="no ROS")
    folder = tmp_path_factory.mktemp("catkin")
    build, install = folder / "build", folder / "install"
    settings = [f"-DPYTHON_EXECUTABLE={sys.executable}", f"-DCMAKE_INSTALL_PREFIX={install}"]
    for command in (
        ["cmake", "-S", ROOT, "-B", build, *settings],
        ["cmake", "--build", build],
        ["cmake", "--install", build],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
    return install


def test_install_space_has_nodes_launch_files_presets_and_weights(install_space: Path) -> None:
    assert sorted(path.name for path in (install_space / "lib/lds_scenes").iterdir()) == NODES
    assert all(os.access(install_space / "lib/lds_scenes" / node, os.X_OK) for node in NODES)
    for file in SHARED_FILES:
        assert (install_space / "share/lds_scenes" / file).is_file(), file
    for file in PACKAGE_FILES:
        assert (install_space / "lib/python3/dist-packages" / file).is_file(), file


def test_install_space_runs_without_the_checkout(install_space: Path, tmp_path: Path) -> None:
    script = """
import lds_models.training.experiment, lds_scenes.msg, perception
print(*lds_models.training.experiment.preset_names(), lds_models.__file__)
"""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{install_space}/lib/python3/dist-packages:{os.environ.get('PYTHONPATH', '')}",
    }
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    *presets, file = ran.stdout.split()
    assert file.startswith(str(install_space))
    assert presets == sorted(path.stem for path in (ROOT / "config/experiments").glob("*.yaml"))


def test_wheel_has_the_command_presets_templates_and_weights(tmp_path: Path) -> None:
    checkout = shutil.copytree(  # since building leaves its traces in the folder
        ROOT, tmp_path / "checkout", ignore=shutil.ignore_patterns(".*", "build", "runs", "tests", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, checkout], check=True)
    (wheel,) = tmp_path.glob("lds_scenes-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    data = f"{wheel.name.split('-py3')[0]}.data/data/share/lds_scenes"
    assert "lds = lds_cli.main:" in entry_points
    assert {f"{data}/{file}" for file in SHARED_FILES} | set(PACKAGE_FILES) <= names
    assert {"lds_cli/main.py", "datasets/scene.py", "perception/__init__.py"} <= names


def test_every_dependency_is_pinned_and_every_pin_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = project["project"]["dependencies"] + sum(project["project"]["optional-dependencies"].values(), [])
    wanted = {Requirement(line).name: Requirement(line) for line in named + project["build-system"]["requires"]}
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert set(pins) == set(wanted)
    for name, version in pins.items():
        assert wanted[name].specifier.contains(version), f"{name}=={version} is outside {wanted[name]}"
