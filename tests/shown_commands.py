"""Command lines out of Markdown: what a page shows in code blocks and in `code` of its text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

INLINE = re.compile(r"`([^`\n]+)`")
SEPARATORS = {"&&", "||", "|", ";", "&"}
STARTS = {"lds", "roslaunch"}


def shown_commands(markdown: str) -> Iterator[list[str]]:
    """The words of each call of `lds` and `roslaunch`, those within ./run, torchrun or bash -c included."""
    for line in code_lines(markdown):
        yield from calls(line)


def code_lines(markdown: str) -> Iterator[str]:
    """Lines of code blocks, with those joined that end in a backslash, and the code of the text."""
    in_block, joined = False, ""
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            in_block = not in_block
        elif in_block:
            joined += line.removesuffix("\\")
            if not line.endswith("\\"):
                yield joined.strip()
                joined = ""
        else:
            yield from INLINE.findall(line)


def calls(line: str) -> Iterator[list[str]]:
    """Calls in one line of shell; none where it is no shell."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return  # quotes that do not close: no command
    for command in split(words):
        if "-c" in command and {"./run", "bash"} & set(command):
            yield from calls(command[command.index("-c") + 1])
        first = next((i for i, word in enumerate(command) if word in STARTS), None)
        if first is not None and is_call(command[first:]) and is_prefix(command[:first]):
            yield command[first:]


def split(words: list[str]) -> Iterator[list[str]]:
    """One list of words for each command between separators; `a; b` has its separator at a word's end."""
    command: list[str] = []
    for word in words:
        if word in SEPARATORS:
            yield command
            command = []
        elif word.endswith(";"):
            yield [*command, word[:-1]]
            command = []
        else:
            command.append(word)
    yield command


def is_call(words: list[str]) -> bool:
    return len(words) > 1 and words[1] != "="  # `lds = sum over ...` is a formula


def is_prefix(words: list[str]) -> bool:
    """Whether what stands before a command's name may: nothing, ./run, A=B, torchrun and the like with options."""
    return not words or words[0] in {"./run", "torchrun", "srun", "sudo", "time"} or "=" in words[0]
