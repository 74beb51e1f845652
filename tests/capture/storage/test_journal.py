from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from capture.errors import StorageError
from capture.storage.journal import Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("begun", plan={"seed": 1})
    journal.append("stored", view=0, quality={"sharpness": np.float32(2)})
    return journal


def test_events_are_read_in_order_with_time_and_facts(journal):
    first, second = journal.read()
    assert first["event"] == "begun" and first["plan"] == {"seed": 1}
    assert second["view"] == 0 and second["quality"] == {"sharpness": 2.0}
    assert second["time"] >= first["time"] > 1.6e9


def test_a_line_torn_anywhere_costs_that_line_alone(journal):
    whole = journal.path.read_bytes()
    journal.append("skipped", view=1, reason="blurred, twice")
    torn = journal.path.read_bytes()
    for length in range(len(whole), len(torn)):
        journal.path.write_bytes(torn[:length])
        journal.repair()
        journal.append("note")
        events = [event["event"] for event in journal.read()]
        complete = length == len(torn) - 1  # but for its line break
        assert events == ["begun", "stored", *(["skipped"] if complete else []), "note"]


def test_zeros_that_a_power_loss_left_are_cut_off(journal):
    journal.path.write_bytes(journal.path.read_bytes() + bytes(100))
    journal.repair()
    journal.append("note")
    assert [event["event"] for event in journal.read()] == ["begun", "stored", "note"]
    assert bytes(1) not in journal.path.read_bytes()


@pytest.mark.parametrize("damage", [b"{]", b"\xff\xfe", b"[1]", b'{"no": "event"}', b"", b"[" * 100_000])
def test_a_damaged_line_in_the_middle_is_left_out(journal, damage):
    lines = journal.path.read_bytes().splitlines()
    journal.path.write_bytes(b"\n".join([lines[0], damage, lines[1], b""]))
    assert [event["event"] for event in journal.read()] == ["begun", "stored"]


def test_a_line_that_cannot_be_written_leaves_the_journal_as_it_was(journal, monkeypatch):
    before = journal.path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="disk is full"):
        patch.setattr(os, "fsync", full)
        journal.append("note")
    assert journal.path.read_bytes() == before


def test_what_json_does_not_know_is_refused_before_it_is_written(journal):
    before = journal.path.read_bytes()
    for fact in (object(), float("nan")):
        with pytest.raises(StorageError, match="journal.jsonl"):
            journal.append("note", fact=fact)
    assert journal.path.read_bytes() == before
