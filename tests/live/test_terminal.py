"""The view: what it shows at two widths, that it keeps still while times are taken, and that nothing is left of it."""

from __future__ import annotations

import io
import sys
import threading

import pytest
from rich.console import Console

from nastk.events import (
    Counted,
    EpochEnded,
    SearchBegan,
    StepBegan,
    TrainingBegan,
    TrialBegan,
    TrialEnded,
    WorkBegan,
    tell,
)
from nastk.live.board import Board
from nastk.live.shown import can_view, shown
from nastk.live.terminal import STILL, Terminal
from nastk.live.view import rendered
from nastk.progress import measuring
from tests.commands import call
from tests.live.screens import Clock, terminal

KEY = "3f2a9c1b" * 4
METRICS = {"accuracy": 0.9321, "latency_ms": 1.84, "params": 212345}
QUICK = (
    *("+space=nasnet", "controller=random", "data=digits", "data.subset=100", "trials=2", "evaluator.epochs=1"),
    *("evaluator.threads=1", "evaluator.network.filters=4", "target.seconds=0.02"),
)


def searching() -> Board:
    board = Board("pipeline", 0.0)
    board.hear(StepBegan("search", 1, 5), 0.0)
    board.hear(SearchBegan("runs/a", 64, {}, None), 0.0)
    for number, state in enumerate(("complete", "duplicate", "rejected", "failed")):
        board.hear(TrialEnded(number, state, KEY, METRICS, "", 1, 64), 30.0)
    board.hear(TrialBegan(4, KEY), 30.0)
    return board


def drawn(board: Board, now: float, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(rendered(board, now, width))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_search_is_told_in_five_lines_that_fit(width: int) -> None:
    lines = drawn(searching(), 36.0, width)
    assert len(lines) == 5 and max(map(len, lines)) <= width
    if width < 80:
        return
    assert lines[0].startswith("nastk search  1/5") and lines[0].endswith("running for 36 s")
    assert lines[1].endswith("1/64 trained, 100 an hour, about 38 min left")
    assert lines[2].split() == ["trials", "4", "done", "1", "duplicate", "1", "rejected", "1", "failed"]
    assert lines[3] == "best      0.9321 at 1.84 ms, 212,345 parameters  trial 0 (3f2a9c1b)"
    assert lines[4] == "now       training trial 4 for 6 s"


def test_a_training_is_told_with_its_epoch_its_loss_and_the_time_left_beside_all_epochs() -> None:
    board = Board("transfer", 0.0)
    board.hear(Counted("transfer", 0, 80, "epoch"), 0.0)
    board.hear(TrainingBegan("transfer", KEY, 40), 0.0)
    board.hear(EpochEnded(KEY, 1, 40, 1.25), 10.0)
    board.hear(Counted("transfer", 1, 80, "epoch", note="best 0.9 on held-out images"), 10.0)
    board.hear(WorkBegan("scoring"), 12.0)
    lines = drawn(board, 20.0, 80)
    assert lines[1].endswith("1 of 80 epochs, about 26 min left")
    assert lines[2:] == [
        "          best 0.9 on held-out images",
        "training  transfer 3f2a9c1b epoch 1 of 40: loss 1.250, about 6 min 30 s left",
        "now       scoring for 8 s",
    ]


def test_it_is_drawn_each_second_and_hardly_while_times_are_taken() -> None:
    clock, stream = Clock(), io.StringIO()
    show = Terminal(Board("bench", 0.0), stream, clock)
    sizes = []
    with show._live, measuring():
        for second in range(1, int(STILL) + 1):
            clock.now = float(second)
            show.hear(WorkBegan("timing"))
            show.beat()
            sizes.append(len(stream.getvalue()))
    assert len(set(sizes[:-1])) == 1 and sizes[-1] > sizes[-2]
    clock.now += 1.0
    with show._live:
        show.beat()
    assert len(stream.getvalue()) > sizes[-1]


def test_a_tiny_search_shows_the_view_and_leaves_its_result_alone(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path_factory.getbasetemp() / "r"  # a short path, for the screen is narrow
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    before = threading.active_count()
    with terminal(columns=200) as (stream, screen):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        call("search", *QUICK, f"run={run}")
        alive = [thread.name for thread in threading.enumerate()]
        monkeypatch.undo()
    assert "nastk-live" not in alive and threading.active_count() <= before + 1
    assert "nastk search" in screen.written and "2 trained" in screen.written and "0 duplicate" in screen.written
    assert "\x1b[?25l" not in screen.written
    lines = screen.lines
    assert not [line for line in lines if "running for" in line or line.startswith(("trial", "now", "best"))]
    end = lines.index(f"Run folder: {run}")
    assert lines[0].startswith("data digits: ") and lines[end - 1].startswith("2 candidates trained; ")
    assert not lines[end + 1 :] or lines[end + 1 :] == [f"Next: python -m nastk.transfer run={run}"]


def test_an_interrupt_takes_the_view_away_and_lines_above_it_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with terminal() as (stream, screen):
        monkeypatch.setattr(sys, "stderr", stream)
        with pytest.raises(KeyboardInterrupt), shown("search"):
            print("a warning", file=sys.stderr)
            threading.Event().wait(0.3)
            tell(SearchBegan("runs/a", 4, {}, None))
            raise KeyboardInterrupt
        monkeypatch.undo()
    assert "0/4 trained" in screen.written and screen.lines == ["a warning"]


@pytest.mark.parametrize("name, value", [("TERM", "dumb"), ("TERM", ""), ("NO_COLOR", "1")])
def test_a_terminal_that_can_no_more_and_who_wants_no_colour_get_lines(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with terminal() as (stream, screen):
        assert can_view(stream)
        monkeypatch.setenv(name, value)
        assert not can_view(stream) and not can_view(io.StringIO())
        monkeypatch.setattr(sys, "stderr", stream)
        with shown("search"):
            print("a line", file=sys.stderr)
        monkeypatch.undo()
    assert screen.written == "a line\n\r"
