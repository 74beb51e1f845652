"""MkDocs hook: the page of the command line, made from the code by Typer when the site is built."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click  # what `typer MODULE utils docs` prints

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

PAGE = "command_line.md"
INTRODUCTION = """
All of `lds`, as `lds COMMAND --help` tells it. In a checkout, write `./run lds` for `lds`. Exit codes: 0 done, 1 the
data or the run is bad, 2 the command line is.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    files.append(File.generated(config, PAGE, content=command_line_page()))
    return files


def command_line_page() -> str:
    """All commands with their arguments and options, as Markdown."""
    from lds_cli.main import app

    command = typer.main.get_command(app)
    tell_first_sentences(command)
    context = typer.Context(command, info_name="lds")
    commands = get_docs_for_click(obj=command, ctx=context, name="lds", title="Command line")
    title, rest = commands.split("\n", 1)
    rest = rest.replace("```console\n$ ", "```\n")  # so that a copy has no prompt
    rest = re.sub(r"^Example: (.*)$", r"Example:\n```\n\1\n```", rest, flags=re.MULTILINE)
    return f"{title}\n{INTRODUCTION}{rest}"


def tell_first_sentences(command: typer.core.TyperCommand | typer.core.TyperGroup) -> None:
    """Lets lists of commands tell the first sentence of each command's help, which Typer would cut off."""
    for child in getattr(command, "commands", {}).values():
        child.short_help = re.split(r"(?<=\.)\s|\n\n", child.help or "")[0].replace("\n", " ")
        tell_first_sentences(child)
