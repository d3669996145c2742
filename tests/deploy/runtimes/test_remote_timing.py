"""How long another machine may take for what it is asked to time."""

from __future__ import annotations

import pytest

from nastk.deploy.runtimes import remote_measure, remote_runtimes, remote_timing
from nastk.deploy.runtimes.remote_ask import MOST_SECONDS, Conditions, Request, plan_of
from nastk.deploy.runtimes.remote_result import RemoteResult

HOW = Conditions("python3", "onnxruntime", "CPUExecutionProvider", batch=1, threads=1, timeout=120)
FILES = Request({"0.onnx": b"a", "1.onnx": b"b"}, seconds=1.0, runs=200)


@pytest.mark.parametrize("milliseconds", [(1, 1), (5, 50), (300, 300), (1, 900)])
def test_a_slow_board_has_the_time_that_its_runs_take(monkeypatch, milliseconds: tuple[int, int]) -> None:
    now = [0]
    monkeypatch.setattr(remote_runtimes.time, "perf_counter_ns", lambda: now[0])
    monkeypatch.setattr(remote_measure, "others_running", lambda: 0.0)
    plans = []

    def ask(host: str, how: Conditions, request: Request) -> RemoteResult:
        def once(took: int) -> None:
            now[0] += took * 10**6

        plans.append(plan_of(how, request))
        now[0] = 0
        timers = [remote_runtimes.Timer(lambda took=took: once(took)) for took in milliseconds]
        if request.quick:
            repeats = [[timer.run(5)] for timer in timers]
        else:
            repeats = remote_measure.interleaved(timers, plans[-1], [])
        assert now[0] / 1e9 < plans[-1]["timeout"]
        seconds = {
            name: tuple(tuple(run / 1e9 for run in one) for one in mine)
            for name, mine in zip(request.models, repeats, strict=True)
        }
        return RemoteResult(seconds, 1, {}, {"cores": 4}, 0.0)

    monkeypatch.setattr(remote_timing, "ask", ask)
    found, _ = remote_timing.latencies_there("board", HOW, FILES)
    assert [one.p50_ms for one in found] == list(milliseconds)
    assert [plan["quick"] for plan in plans] == [True, False]


def test_a_machine_that_says_it_takes_years_is_not_waited_for_as_long() -> None:
    slow = RemoteResult(dict.fromkeys(FILES.models, ((86400.0,) * 5,)), 1, {}, {})
    asked = Request(FILES.models, 1.0, 200, expected=remote_timing.expected_seconds(slow, FILES))
    assert plan_of(HOW, asked)["timeout"] == HOW.timeout + MOST_SECONDS
