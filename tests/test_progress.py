"""How a step tells that something takes a while: begin and end of work, counts that are not told too often."""

from __future__ import annotations

import time

import pytest

from nastk.events import Counted, Event, WorkBegan, WorkEnded, heard
from nastk.progress import Count, doing, is_measuring, measuring


def test_work_has_an_end_whatever_comes_of_it() -> None:
    found: list[Event] = []
    with heard(found.append), pytest.raises(ZeroDivisionError), doing("this"):
        raise ZeroDivisionError
    assert found == [WorkBegan("this"), WorkEnded("this")]


def test_a_count_is_told_at_its_begin_now_and_then_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    found: list[Event] = []
    with heard(found.append), Count("images", 100, "image", before=40) as count:
        for _ in range(50):
            now += 1 / 16
            count.add()
        count.note("the best")
        count.skip(10)
    counts = [event for event in found if isinstance(event, Counted)]
    assert counts == found and [one.done for one in counts[:3]] == [40, 44, 48] and len(counts) == 14
    assert counts[-1] == Counted("images", 100, 100, "image", 50, "the best", ended=True)


def test_times_are_taken_within_the_block_and_within_that_of_a_caller() -> None:
    @measuring()
    def timed() -> bool:
        return is_measuring()

    with measuring():
        assert timed() and is_measuring()
    assert timed() and not is_measuring()
