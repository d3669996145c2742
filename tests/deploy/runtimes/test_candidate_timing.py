"""A candidate is timed again where the machine was busy, and what stays in doubt says so."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.writer import write_onnx
from nastk.deploy.runtimes import candidate_timing
from nastk.deploy.runtimes.candidate_timing import TRIES, QuickTiming, quick_timing, steadiest, timing_of
from nastk.deploy.runtimes.session import open_session
from tests.deploy.networks import small

BUSY, QUIET = [0.0017] * 3 + [0.0098] * 8, [0.0017] * 10 + [0.0098]


def test_the_median_far_above_the_quickest_run_is_a_doubt() -> None:
    busy, quiet = timing_of(BUSY), timing_of(QUIET)
    assert busy.p50_ms == pytest.approx(9.8) and "5.8 times the quickest run" in str(busy.doubt)
    assert quiet == QuickTiming(pytest.approx(1.7), None)
    assert "wanted to run on 2 cores" in str(timing_of(QUIET, others=3.0, threads=1, cores=2).doubt)


def test_one_quiet_try_is_enough_and_of_none_the_quickest_counts() -> None:
    def play(series: list[QuickTiming]) -> tuple[QuickTiming, int]:
        left = iter(series)
        return steadiest(lambda: next(left)), len(list(left))

    quiet, busy, busier = QuickTiming(1.7, None), QuickTiming(4.0, "busy"), QuickTiming(9.8, "busy")
    assert play([quiet, busy, busy]) == (quiet, 2)
    assert play([busier, quiet, busy]) == (quiet, 1)
    assert play([busier, busy, busier, quiet]) == (busy, 1)
    assert TRIES == 3


def test_a_session_that_is_held_up_in_most_of_its_runs_is_doubted(tmp_path) -> None:
    write_onnx(small(), tmp_path / "small.onnx", (1, 3, 16, 16))
    session, calls = open_session((tmp_path / "small.onnx").read_bytes()), 0
    images = np.zeros((1, 3, 16, 16), np.float32)

    def held_up() -> None:
        nonlocal calls
        calls += 1
        session.run(None, {INPUT: images})
        time.sleep(0.003 * (calls % 4 != 0))

    found = quick_timing(held_up, seconds=0.05, threads=1)
    assert "times the quickest run" in str(found.doubt) and found.p50_ms > 3


def test_a_quiet_machine_is_asked_once(monkeypatch) -> None:
    """What makes a doubt is left to the numbers: this machine may be busy while it is tested."""
    monkeypatch.setattr(candidate_timing, "others_running", lambda: 0.0)
    series = [BUSY, QUIET, QUIET]
    monkeypatch.setattr(candidate_timing, "quick_times", lambda call, seconds: series.pop(0))
    assert quick_timing(lambda: None, seconds=0.1, threads=1) == QuickTiming(pytest.approx(1.7), None)
    assert len(series) == 1
