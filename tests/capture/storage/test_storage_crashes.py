from __future__ import annotations

import random
import re
import time

import pytest
from crashing import CRASHED, heard, hold, open_and_crash, record_and_crash, record_for_ever, start
from recordings import VIEWS, expect_all, expect_recorded

from capture.errors import StorageError
from capture.storage.recording_folder import RecordingFolder
from datasets.loading import open_dataset


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.mark.parametrize("seed", range(8))
def test_views_survive_sigkill_at_random_moments(root, seed):
    rng = random.Random(seed)
    stored: set[tuple[int, int]] = set()
    kills = 0
    while kills < 6 or len(list(root.glob("scene_*.h5"))) <= 2:  # a busy machine takes more
        kills += 1
        recorder, pipe = start(record_for_ever, root)
        pipe.poll(20)  # until it is at work
        time.sleep(rng.uniform(0, 0.06))
        recorder.kill()
        recorder.join()
        told = heard(pipe)
        assert told and not stored & set(told), "what was stored is not recorded again"
        stored |= set(told)
        expect_all(root, stored)


def test_a_crash_between_any_two_changes_of_the_file_system_loses_nothing(tmp_path):
    rng = random.Random(6)
    for at in range(1, 1000):
        root = tmp_path / f"{at}"
        recorder, pipe = start(record_and_crash, root, at)
        told = heard(pipe)
        recorder.join()
        root.mkdir(exist_ok=True)
        opener, _ = start(open_and_crash, root, rng.randint(1, 40))  # what opening repairs may be cut off as well
        opener.join()
        assert {recorder.exitcode, opener.exitcode} <= {0, CRASHED}
        expect_all(root, {view for view in told if view != "finishing"})
        assert ("finishing" in told) <= (root / "scene_000000.h5").exists()
        if recorder.exitcode == 0:
            break
    assert at > 60


def test_a_scene_is_completed_after_any_crash(tmp_path):
    for at in range(1, 1000, 7):
        root = tmp_path / f"{at}"
        first, _ = start(record_and_crash, root, at)
        first.join()
        second, pipe = start(record_and_crash, root, 10_000)
        heard(pipe)
        second.join()
        assert second.exitcode == 0
        dataset = open_dataset(root)
        assert dataset[0].num_views == VIEWS
        expect_recorded(dataset[0])
        if first.exitcode == 0:
            break


def test_the_folder_belongs_to_one_recorder_until_that_one_ends(root):
    holder, pipe = start(hold, root)
    assert pipe.recv() == "locked"
    words = rf"another recorder is at work there \(process {holder.pid} on .+, since \d{{4}}-"
    with pytest.raises(StorageError, match=words), RecordingFolder(root):
        pass
    holder.kill()
    holder.join()
    with RecordingFolder(root) as folder:
        with pytest.raises(StorageError, match=f"{re.escape(str(root))}: another recorder"), RecordingFolder(root):
            pass
        assert folder.finished == []
