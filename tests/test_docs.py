"""The documentation says what is there: links, commands, settings, messages, parameters; and the site builds."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml
from shown_commands import calls, shown_commands
from typer.main import get_command

from datasets.recorded import write_dataset_index, write_scene
from datasets.scene import Scene
from lds_cli.main import app
from lds_models.registry import MODELS
from lds_models.training.experiment import load_experiment

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT) for pattern in ("*.md", "docs/*.md") for path in ROOT.glob(pattern))
MESSAGES = (ROOT / "docs/messages.md").read_text()
SOURCES = sorted(path for package in ("capture", "perception", "lds_ros") for path in (ROOT / package).rglob("*.py"))
NODES = sorted(path for path in SOURCES if path.name.endswith("_node.py"))
COMMAND = get_command(app)


# ------------------------------------------------------------------------------------------------------------- links


def links(markdown: str) -> list[str]:
    """Targets of links and images outside of code that lie in the repository, without their #anchors."""
    text = re.sub(r"^ *```.*?^ *```|`[^`\n]*`", "", markdown, flags=re.DOTALL | re.MULTILINE)
    targets = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text))
    return [target for target in targets if target and not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_and_images_lead_to_files(page: Path) -> None:
    missing = [target for target in links((ROOT / page).read_text()) if not (ROOT / page.parent / target).exists()]
    assert not missing, f"{page} links to {missing}, which are not there"


# ---------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_that_are_shown_exist(page: Path) -> None:
    wrong = [fault for words in shown_commands((ROOT / page).read_text()) for fault in faults(words)]
    assert not wrong, f"{page}: " + "; ".join(wrong)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("./run lds trian table_monet_lds", "there is no 'lds trian'"),
        ("lds data synth table_cubes out --sceens 3  # many", "'lds data synth' has no option --sceens"),
        ("lds train table_monet_ldss data.path=x", "no experiment 'table_monet_ldss'"),
        ("lds train table_monet_lds data.path=x batchsize=3", "batchsize"),
        ("OMP_NUM_THREADS=8 torchrun --no-python lds train paper_monet_lds model.slots=3", "no setting model.slots"),
        ("./run shell -c 'roslaunch lds_scenes perception.launch picture:=/a'", "perception.launch has no picture:="),
        ("./run shell -c 'roslaunch lds_scenes percept.launch'", "there is no launch/percept.launch"),
    ],
)
def test_commands_that_do_not_exist_are_found(line: str, said: str) -> None:
    assert [fault for words in calls(line) for fault in faults(words) if said in fault]


def faults(words: list[str]) -> Iterator[str]:
    """What is wrong with a command line of `lds` or `roslaunch`."""
    yield from (launch_faults if words[0] == "roslaunch" else lds_faults)(words)


def lds_faults(words: list[str]) -> Iterator[str]:
    command, name, rest = COMMAND, "lds", words[1:]
    while hasattr(command, "commands") and rest and not is_placeholder(rest[0]) and not rest[0].startswith("-"):
        command = command.commands.get(rest[0])
        name = f"{name} {rest[0]}"
        if command is None:
            yield f"there is no '{name}'"
            return
        rest = rest[1:]
    known = {"-h", "--help"}.union(*(option.opts + option.secondary_opts for option in command.params))
    for word in rest:
        option = word.strip("[]").partition("=")[0]
        if re.match(r"--?[a-z]", option) and option not in known:
            yield f"'{name}' has no option {option}"
    if name == "lds train":
        yield from experiment_faults([word for word in rest if not word.startswith("-")])


def experiment_faults(words: list[str]) -> Iterator[str]:
    """What is wrong with the preset and the settings in the arguments of `lds train`."""
    if not words or is_placeholder(words[0]) or words[0].endswith(".yaml"):
        return
    settings = [word for word in words[1:] if re.match(r"[a-z_.]+=", word)]
    try:
        experiment = load_experiment(words[0], ["data.path=somewhere", *settings])
    except ValueError as error:
        yield str(error)
        return
    known = {"name"} | {field.name for field in fields(MODELS[experiment.model["name"]][0])}
    yield from (f"there is no setting model.{key}" for key in experiment.model if key not in known)


def launch_faults(words: list[str]) -> Iterator[str]:
    if len(words) < 3 or words[1] != "lds_scenes" or is_placeholder(words[2]):
        return
    file = ROOT / "launch" / words[2]
    if not file.exists():
        yield f"there is no launch/{words[2]}"
        return
    known = {argument.get("name") for argument in xml.etree.ElementTree.parse(file).getroot().iter("arg")}
    given = (word.partition(":=")[0] for word in words[3:] if ":=" in word)
    yield from (f"{words[2]} has no {name}:=" for name in given if name not in known)


def is_placeholder(word: str) -> bool:
    return word.upper() == word  # such as ... or RUN


# ------------------------------------------------------------------------------------------------------------ Python


def test_python_that_is_shown_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python_api.md").read_text(), re.DOTALL | re.MULTILINE)
    rng = np.random.default_rng(0)
    scene = Scene(
        "scene", rng.integers(0, 255, (2, 80, 96, 3), np.uint8), masks=rng.integers(0, 3, (2, 80, 96), np.uint8)
    )
    write_scene(tmp_path / "data/table/scene_000000.h5", scene)
    index = {"scene_000000.h5": 2}
    write_dataset_index(tmp_path / "data/table", "table", "test", index, {"train": list(index)})
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert names["found"].labels.shape == (80, 96) and names["latents"].grad.any()


# --------------------------------------------------------------------------------------------------- messages, nodes


def test_every_message_is_described() -> None:
    types = sorted(path.name for folder in ("msg", "srv", "action") for path in (ROOT / folder).iterdir())
    assert [name for name in types if f"`{name}`" not in MESSAGES] == []


def test_every_launch_file_is_described() -> None:
    assert [path.name for path in sorted((ROOT / "launch").glob("*.launch")) if f"`{path.name}`" not in MESSAGES] == []


@pytest.mark.parametrize("node", NODES, ids=lambda path: path.stem)
def test_every_parameter_of_a_node_is_described(node: Path) -> None:
    described = section(MESSAGES, node.stem)
    read = set(re.findall(r"get_param\(\s*[\"'](~?/?\w+)[\"']", node.read_text()))
    assert sorted(name for name in read if f"`{name}`" not in described) == [], f"docs/messages.md, {node.stem}"


def test_every_parameter_that_the_code_beside_nodes_reads_is_described() -> None:
    sources = "\n".join(path.read_text() for path in SOURCES if path not in NODES)
    read = set(re.findall(r"get_param\(\s*[\"'](~?/?\w+)[\"']", sources))
    assert sorted(name for name in read if f"`{name}`" not in MESSAGES) == []


def section(markdown: str, title: str) -> str:
    """The text below a heading `## title`, or the paragraphs that begin with `title` where it has no heading."""
    flags = re.DOTALL | re.MULTILINE
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", markdown, flags)
    return found[1] if found else "\n".join(re.findall(rf"^`{title}`.*?(?=\n\n|\Z)", markdown, flags))


# -------------------------------------------------------------------------------------------------------------- site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CONTRIBUTING.md says; broken links, anchors and pages that are missing end the build."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout
    return folder


def test_site_loads_nothing_from_the_network(site: Path) -> None:
    loading = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(https?:[^\"' >]+)")
    for page in site.rglob("*.html"):
        loaded = loading.findall(page.read_text())
        assert not loaded, f"{page.relative_to(site)} loads {loaded}"


def test_site_has_every_command_with_its_options(site: Path) -> None:
    page = (site / "command_line.html").read_text()
    for name, command in all_commands(COMMAND, "lds"):
        assert name in page, name
        for option in command.params:
            assert max(option.opts, key=len).lstrip("-") in page, f"{name} {option.opts}"


def all_commands(command, name: str) -> Iterator[tuple]:
    for child_name, child in getattr(command, "commands", {}).items():
        yield f"{name} {child_name}", child
        yield from all_commands(child, f"{name} {child_name}")


def test_site_shows_files_that_pages_link_to(site: Path) -> None:
    assert "duplicates_merged" in (site / "source/msg/SegmentedScene.msg.html").read_text()
    assert 'href="source/msg/SegmentedScene.msg.html"' in (site / "messages.html").read_text()


def test_navigation_has_every_page() -> None:
    settings = (ROOT / "mkdocs.yml").read_text().partition("\ntheme:")[0]
    named = set(re.findall(r"\w+\.md", str(yaml.safe_load(settings)["nav"])))
    assert {path.name for path in PAGES if path.parent.name == "docs"} <= named
