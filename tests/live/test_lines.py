"""Plain lines: one a trial, few on what takes long, and never a longer silence than was promised."""

from __future__ import annotations

import io

from nastk.events import Counted, EpochEnded, SearchBegan, StepBegan, TrainingBegan, TrialEnded, WorkBegan, heard, tell
from nastk.live.board import Board
from nastk.live.lines import QUIET, Lines
from nastk.objective import Objective
from tests.live.screens import Clock

KEY = "3f2a9c1b" * 4


def made() -> tuple[Lines, io.StringIO, Clock]:
    clock, stream = Clock(), io.StringIO()
    return Lines(Board("search", 0.0), stream, clock), stream, clock


def test_a_trial_has_a_line_with_the_search_so_far() -> None:
    lines, stream, clock = made()
    with heard(lines.hear):
        tell(StepBegan("search", 1, 5))
        tell(SearchBegan("runs/a", 4, {"complete": 1}, (0, "key0", {"accuracy": 0.5})))
        clock.now = 36.0
        tell(TrialEnded(2, "complete", "key2", {"accuracy": 0.7}, "", 2, 4))
        tell(TrialEnded(1, "rejected", "key1", {}, "params 9 is over 5", 2, 4))
    assert stream.getvalue().splitlines() == [
        "[1/5 search]",
        "trial    2 complete  accuracy 0.7  [2/4] best 0.7000, 100 an hour, about 1 min 12 s left",
        "trial    1 rejected  params 9 is over 5  [2/4] best 0.7000, 1 rejected, 100 an hour, about 1 min 12 s left",
    ]


def test_a_timing_that_cannot_be_trusted_is_marked() -> None:
    cost = {"latency_ms": 9.8, "latency_steady": 0.0}
    broken = Objective(max_latency_ms=3.0).violation(cost)
    assert broken is not None and broken.reason == "latency_ms 9.8 (not trustworthy: the machine was busy) is over 3"
    lines, stream, _ = made()
    lines.hear(SearchBegan("runs/a", 4, {}, None))
    lines.hear(TrialEnded(0, "complete", "a", {"accuracy": 0.5, **cost}, "", 1, 4))
    lines.hear(TrialEnded(1, "rejected", "b", cost, broken.reason, 1, 4))
    lines.hear(TrialEnded(2, "complete", "c", {**cost, "accuracy": 0.5, "latency_steady": 1.0}, "", 2, 4))
    assert [line.count("not trustworthy") for line in stream.getvalue().splitlines()] == [1, 1, 0]


def test_a_quick_training_says_little_and_a_long_one_tells_its_epochs() -> None:
    lines, stream, clock = made()
    lines.hear(TrainingBegan("transfer", KEY, 100))
    for epoch in range(1, 101):
        clock.now += 1.0
        lines.hear(EpochEnded(KEY, epoch, 100, 1.0))
        lines.hear(Counted("transfer", epoch, 100, "epoch"))
    said = stream.getvalue().splitlines()
    assert len(said) == 10
    assert said[0] == "transfer 3f2a9c1b epoch 10 of 100: loss 1.000, about 1 min 30 s left"
    assert said[-1] == "transfer 3f2a9c1b epoch 100 of 100: loss 1.000"


def test_a_silence_before_it_began_counts() -> None:
    clock, stream = Clock(), io.StringIO()
    lines = Lines(Board("search", 0.0), stream, clock, silent=15.0)
    assert lines.beat() == QUIET - 15
    clock.now = QUIET - 15
    assert lines.beat() == QUIET and stream.getvalue() == "search: running for 5 s\n"


def test_silence_is_broken_by_a_sign_of_life_and_only_silence() -> None:
    lines, stream, clock = made()
    lines.hear(WorkBegan("calibrating int8 on 256 images"))
    assert lines.beat() == QUIET and not stream.getvalue()
    clock.now = 15.0
    lines.line("something else")
    clock.now = 20.0
    assert lines.beat() == QUIET - 5
    clock.now = 15.0 + QUIET
    assert lines.beat() == QUIET
    assert stream.getvalue().splitlines()[1:] == ["search: running for 35 s; calibrating int8 on 256 images for 35 s"]
