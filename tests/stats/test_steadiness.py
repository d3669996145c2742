"""Whether timings are trusted: numbers that were recorded on quiet and on busy machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nastk.stats import steadiness
from nastk.stats.steadiness import Repeat, doubt, others_running, quietest


@pytest.mark.parametrize(
    ("p50", "least", "spread", "said"),
    [
        (1.73, 1.72, 0.004, None),
        (0.0233, 0.0227, 0.0026, None),
        (7.9859, 7.7878, 0.0129, None),
        # An export beside other work, whose repeats agreed nearly.
        (9.8, 1.72, 0.07, "p50 varied by 7 % between repeats, p50 is 5.7 times the quickest run"),
        (16.0338, 7.8533, 0.0124, "p50 is 2 times the quickest run"),
        (8.3839, 7.7895, 0.171, "p50 varied by 17 % between repeats"),
        (1.0, 0.0, 0.0, "its quickest run took no time"),
    ],
)
def test_a_latency_is_doubted_by_its_numbers(p50: float, least: float, spread: float, said: str | None) -> None:
    assert doubt(p50, least, spread) == said


@pytest.mark.parametrize(
    ("others", "threads", "cores", "doubted"),
    [
        (None, 1, 2, False),
        (1.2, 1, 2, False),
        (2.0, 1, 2, True),
        (0.1, 2, 2, False),
        (1.0, 2, 2, True),
        (9, 4, 16, False),
    ],
)
def test_more_that_wants_to_run_than_there_are_cores_is_a_doubt(
    others: float | None, threads: int, cores: int, doubted: bool
) -> None:
    said = doubt(8.0, 7.9, 0.01, others, threads, cores)
    assert (said is not None) is doubted
    assert not doubted or f"wanted to run on {cores} cores" in str(said)


def test_short_runs_find_room_between_others_and_long_ones_do_not() -> None:
    # Recorded beside a dozen processes on two cores; alone the one takes 0.0231 ms, the other 7.93 ms.
    assert doubt(0.0233, 0.0227, 0.0026, 13.0, 1, 2) is None
    assert doubt(8.1486, 7.7697, 0.01, 13.0, 1, 2) == "13 others wanted to run on 2 cores"
    assert doubt(0.04, 0.0227, 0.0, 13.0, 1, 2) == (
        "p50 is 1.8 times the quickest run, 13 others wanted to run on 2 cores"
    )


def test_the_quietest_repeats_are_the_same_for_every_file() -> None:
    slow, quick = [[9.0] * 3, [4.0] * 3], [[1.0] * 3, [2.0] * 3]
    half = [[1.0] * 3, [4.0] * 3]
    kept = quietest([Repeat(one) for one in (slow, quick, half, quick, slow, quick)])
    assert [repeat.times for repeat in kept] == [quick, quick, quick]
    assert [repeat.times for repeat in quietest([Repeat(slow), Repeat(quick), Repeat(half)])] == [slow, quick, half]


def test_what_wants_to_run_is_counted_without_the_one_that_asks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(steadiness, "LOAD", tmp_path / "loadavg")
    assert others_running() is None
    (tmp_path / "loadavg").write_text("1.25 0.82 0.40 4/96 8627\n")
    assert others_running() == 3
    (tmp_path / "loadavg").write_text("what?")
    assert others_running() is None


@pytest.mark.skipif(not Path("/proc/loadavg").exists(), reason="this system does not tell")
def test_this_machine_tells_what_wants_to_run() -> None:
    found = others_running()
    assert found is not None and 0 <= found < 1e6 and os.cpu_count()
