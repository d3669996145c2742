"""Latency: real sessions, told apart where they differ, alike where they do not."""

import time

import numpy as np
import pytest
from torch import nn

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.writer import write_onnx
from nastk.deploy.runtimes import latency
from nastk.deploy.runtimes.latency import (
    CallTimer,
    _uncertainty,
    interleaved,
    measure,
    quick_latency,
    summary,
)
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session
from nastk.errors import UserError
from nastk.processor import usable_cores
from tests.deploy.networks import small


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small network, its copy, and one of 16 times the work."""
    folder = tmp_path_factory.mktemp("latency")
    paths = [folder / name for name in ("small.onnx", "copy.onnx", "large.onnx")]
    for path in paths[:2]:
        write_onnx(small(), path, (1, 3, 16, 16))
    layers = [nn.Conv2d(3, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)]
    write_onnx(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 4)), paths[2], (1, 3, 16, 16)
    )
    return paths


def test_percentiles_are_in_order_and_runs_and_seconds_are_kept(files) -> None:
    start = time.perf_counter()
    latencies = measure(files[1:], runs=200, seconds=0.2)
    assert time.perf_counter() - start >= 0.2 * len(latencies)
    for found in latencies:
        assert 0 < found.min_ms <= found.p50_ms <= found.p90_ms <= found.p99_ms
        assert found.runs >= 200
        assert found.steady == (found.doubt is None)
        assert found.steady <= (found.spread <= 0.05) and found.steady <= (found.p50_ms <= 1.25 * found.min_ms)
        assert (found.batch, found.threads) == (1, 1)
        assert found.to_dict()["p50_ms"] == found.p50_ms


def test_equal_files_are_measured_alike_and_a_larger_one_is_slower(files) -> None:
    first, copy, large = measure(files, seconds=0.3)
    assert first.min_ms == pytest.approx(copy.min_ms, rel=0.3)
    assert large.p50_ms > 3 * first.p50_ms


def test_a_latency_says_of_which_batch_and_how_many_threads_it_is(files) -> None:
    grid = [measure(files[2:], batch=b, threads=t, runs=200, seconds=0)[0] for t in (1, 0) for b in (1, 4)]
    assert [(found.batch, found.threads) for found in grid] == [(b, t) for t in (1, usable_cores()) for b in (1, 4)]
    assert grid[1].p50_ms > 2 * grid[0].p50_ms


def test_quick_latency_agrees_with_the_long_measurement_and_keeps_its_time(files) -> None:
    session = open_session(files[2].read_bytes())
    images = np.zeros((1, 3, 16, 16), np.float32)
    start = time.perf_counter()
    quick = [quick_latency(session, images, seconds=0.2) for _ in range(3)]
    assert time.perf_counter() - start < 3 * 0.4
    long = measure(files[2:], seconds=0.2)[0]
    assert long.min_ms * 0.9 <= min(quick) <= long.p90_ms * 1.1


def test_the_interval_of_the_median_narrows_with_runs_and_is_none_for_few() -> None:
    rng = np.random.default_rng(0)
    assert _uncertainty([1.0, 1.0]) == float("inf")
    assert _uncertainty([1.0] * 50) == 0
    few, many = (_uncertainty(list(rng.normal(1, 0.1, count))) for count in (20, 2000))
    # The standard error of a median is 1.253 sigma / sqrt(n).
    assert many == pytest.approx(1.96 * 1.253 * 0.1 / np.sqrt(2000), rel=0.3)
    assert few > 3 * many


def test_repeats_that_differ_by_more_than_a_twentieth_are_flagged() -> None:
    assert summary([[1.0] * 9, [1.02] * 9, [1.04] * 9], 1, 1).steady
    shaky = summary([[1.0] * 9, [1.02] * 9, [1.08] * 9], 1, 1)
    assert not shaky.steady and shaky.spread == pytest.approx(0.08 / 1.02, abs=1e-3)
    assert shaky.p50_ms == pytest.approx(1020)


class Recorded:
    """Runs of a file as they were recorded: each repeat is of the next series, and the last one goes on for ever."""

    def __init__(self, *series: list[float]) -> None:
        self.series, self.runs = list(series), -WARMUP

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        found = []
        for _ in range(least):
            place = max(0, self.runs) // A_REPEAT
            mine = self.series[min(place, len(self.series) - 1)]
            found.append(mine[self.runs % len(mine)])
            self.runs += 1 if self.runs < 0 or found[1:] else 0  # the first run of a turn is not counted
        return found


WARMUP, A_REPEAT = 10, 67
QUIET, BUSY = [0.00172, 0.00173, 0.00173], [0.00172, 0.0098, 0.0098, 0.0104]


@pytest.fixture
def alone(monkeypatch) -> None:
    monkeypatch.setattr(latency, "others_running", lambda: 0.0)


@pytest.mark.usefixtures("alone")
def test_repeats_go_on_until_three_are_quiet() -> None:
    first, second = Recorded(BUSY, QUIET, BUSY, QUIET, QUIET), Recorded(QUIET)
    for found in interleaved([first, second], batch=1, threads=1, seconds=0):
        assert found.p50_ms == 1.73 and found.steady and found.doubt is None and found.runs == 3 * A_REPEAT
    assert first.runs == 5 * A_REPEAT


@pytest.mark.usefixtures("alone")
def test_a_machine_that_stays_busy_is_given_up_after_nine_repeats_and_the_latency_is_flagged() -> None:
    timer = Recorded(BUSY)
    [found] = interleaved([timer], batch=1, threads=1, seconds=0)
    assert found.p50_ms == 9.8 and found.min_ms == 1.72
    assert not found.steady and found.doubt == "p50 is 5.7 times the quickest run"
    assert timer.runs == 9 * A_REPEAT


def test_work_beside_a_steady_timing_is_a_doubt_where_it_takes_the_cores(monkeypatch) -> None:
    monkeypatch.setattr(latency, "others_running", lambda: 1e4)
    [here] = interleaved([Recorded(QUIET)], batch=1, threads=1, seconds=0)
    assert not here.steady and "1e+04 others wanted to run" in str(here.doubt)
    assert interleaved([Recorded(QUIET)], batch=1, threads=1, seconds=0, on_cpu=False)[0].steady


def test_a_session_that_is_held_up_in_most_of_its_runs_is_flagged(files) -> None:
    session, calls = open_session(files[0].read_bytes()), 0
    images = np.zeros((1, 3, 16, 16), np.float32)

    def held_up() -> None:
        nonlocal calls
        calls += 1
        session.run(None, {INPUT: images})
        time.sleep(0.002 * (calls % 4 != 0))

    [found] = interleaved([CallTimer(held_up)], batch=1, threads=1, seconds=0)
    assert not found.steady and "times the quickest run" in str(found.doubt) and found.p50_ms > 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0}, "batch=0"),
        ({"batch": True}, "batch=True"),
        ({"threads": -1}, "threads=-1"),
        ({"warmup": 3}, "warmup=3, expected a whole number of at least 10"),
        ({"runs": 10}, "runs=10, expected a whole number of at least 200"),
        ({"seconds": -1.0}, "seconds=-1.0"),
        ({"seconds": float("inf")}, "seconds=inf"),
    ],
)
def test_numbers_that_make_no_sense(files, settings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        measure(files, **settings)


def test_no_file() -> None:
    with pytest.raises(UserError, match="no file to measure"):
        measure([])


def test_a_model_that_onnx_runtime_cannot_run_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match="cannot run the model"):
        open_session(b"no model")


def test_the_machine_is_described() -> None:
    facts = machine_facts()
    assert facts["cores"] == usable_cores() >= 1
    assert facts["provider"] == "CPUExecutionProvider"
    assert set(facts) >= {"processor", "governor", "clock_mhz", "load", "architecture", "system", "gpu"}
    assert set(versions()) == {"nastk", "python", "torch", "onnx", "onnxruntime", "numpy"}
