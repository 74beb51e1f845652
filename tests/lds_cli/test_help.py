"""Every `--help` shows an example, and the command line takes it."""

from __future__ import annotations

import re

import pytest
from shown_commands import calls
from test_docs import COMMAND, all_commands, faults

COMMANDS = {"lds": COMMAND} | dict(all_commands(COMMAND, "lds"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_the_command_line_takes(name: str) -> None:
    command = COMMANDS[name]
    told = f"{command.help}\n{command.epilog or ''}"
    examples = re.findall(rf"^(?:Example|Then): ({name}\b.*)$", told, re.MULTILINE)
    assert examples, f"{name} --help has no example"
    for example in examples:
        (words,) = calls(example)
        assert not [*faults(words)], example
        called = max((known for known in COMMANDS if f"{example} ".startswith(f"{known} ")), key=len)
        COMMANDS[called].make_context(called, words[len(called.split()) :])  # raises UsageError for a wrong value
