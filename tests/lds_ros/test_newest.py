from __future__ import annotations

import threading

from lds_ros.newest import Newest


def test_only_the_newest_value_is_handed_over_and_the_others_are_counted() -> None:
    newest = Newest[int]()
    for value in range(5):
        newest.put(value)
    assert newest.take(timeout=0) == 4
    assert newest.dropped == 4
    assert newest.take(timeout=0) is None


def test_taking_waits_for_a_value_of_another_thread() -> None:
    newest = Newest[str]()
    threading.Timer(0.05, newest.put, ["late"]).start()
    assert newest.take(timeout=10) == "late"
    assert newest.dropped == 0
