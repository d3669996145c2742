"""What is known of a command that runs: counts, the best, rates and the time that is left, by a clock of the test's."""

from __future__ import annotations

from nastk.events import (
    Counted,
    EpochEnded,
    SearchBegan,
    StepBegan,
    TrainingBegan,
    TrialBegan,
    TrialEnded,
    TrialEpoch,
    WorkBegan,
    WorkEnded,
)
from nastk.live.board import Board
from nastk.live.words import duration, status

KEY = "3f2a9c1b" * 4


def ended(number: int, state: str, trained: int, **metrics: float) -> TrialEnded:
    return TrialEnded(number, state, KEY, metrics, "", trained, 8)


def test_a_search_that_goes_on_counts_all_and_takes_its_rate_from_this_sitting() -> None:
    board = Board("search", 0.0)
    board.hear(SearchBegan("runs/a", 8, {"complete": 2, "rejected": 1}, (1, KEY, {"accuracy": 0.5})), 100.0)
    search = board.search
    assert search is not None and search.trained == 2 and search.best is not None and search.best.number == 1
    assert search.per_hour(130.0) is None and search.seconds_left(130.0) is None
    board.hear(TrialBegan(3, KEY), 100.0)
    board.hear(TrialEpoch(3, 1, 0.4), 110.0)
    assert search.running[3].epoch == 1 and "training trial 3 for 12 s, epoch 1 done" in status(board, 112.0)
    board.hear(ended(3, "complete", 3, accuracy=0.4), 120.0)
    board.hear(ended(4, "duplicate", 3), 120.0)
    board.hear(ended(5, "pruned", 4, accuracy=0.9), 130.0)
    board.hear(ended(6, "failed", 4), 130.0)
    assert not search.running and search.trained == 4 and search.best.metrics == {"accuracy": 0.5}
    assert search.per_hour(160.0) == 120 and search.seconds_left(160.0) == 4 * 30
    board.hear(ended(7, "complete", 5, accuracy=0.6, latency_ms=1.5, params=1e6), 160.0)
    line = status(board, 172.0)
    assert line.startswith("search: running for 2 min 52 s; 5 of 8 trained, best 0.6000 at 1.5 ms, 1,000,000 para")
    assert line.endswith("1 duplicate, 1 rejected, 1 failed, 150 an hour, about 1 min 12 s left")


def test_the_time_left_of_a_training_is_that_of_its_whole_epochs_in_this_sitting() -> None:
    board = Board("transfer", 0.0)
    board.hear(TrainingBegan("transfer", KEY, 10), 0.0)
    assert "transfer 3f2a9c1b epoch 1 of 10 under way" in status(board, 5.0)
    assert board.training is not None and board.training.seconds_left() is None
    board.hear(EpochEnded(KEY, 1, 10, 2.0), 20.0)
    assert board.training.seconds_left() == 9 * 20
    board.hear(EpochEnded(KEY, 3, 10, 1.5), 80.0)
    assert board.training.seconds_left() == 7 * 30 and board.training.loss == 1.5

    board.hear(TrainingBegan("transfer", "resnet18", 10), 100.0)  # it goes on with a checkpoint
    board.hear(EpochEnded("resnet18", 7, 10, 1.0), 101.0)
    assert board.training.seconds_left() is None
    board.hear(EpochEnded("resnet18", 8, 10, 1.0), 111.0)
    assert board.training.seconds_left() == 2 * 10


def test_a_count_knows_what_was_there_before_and_is_forgotten_when_it_is_over() -> None:
    board = Board("audit", 0.0)
    board.hear(Counted("audit", 4, 10, "training", before=4), 0.0)
    assert board.counts["audit"].seconds_left(50.0) is None
    board.hear(Counted("audit", 6, 10, "training", before=4, note="tau so far 0.50"), 60.0)
    assert board.counts["audit"].seconds_left(60.0) == 4 * 30
    assert "audit 6 of 10 trainings, about 2 min left, tau so far 0.50" in status(board, 60.0)
    board.hear(Counted("audit", 11, 10, "training", before=4), 60.5)  # more than was foreseen
    assert board.counts["audit"].seconds_left(60.5) == 0
    board.hear(Counted("audit", 10, 10, "training", ended=True), 61.0)
    assert not board.counts


def test_the_innermost_work_is_told_and_the_next_step_forgets_the_last() -> None:
    board = Board("pipeline", 0.0)
    for event in (StepBegan("search", 1, 5), SearchBegan("a", 8, {}, None), WorkBegan("outer"), WorkBegan("inner")):
        board.hear(event, 0.0)
    assert status(board, 31.0) == "[1/5 search] running for 31 s; 0 of 8 trained, no result yet; inner for 31 s"
    board.hear(WorkEnded("inner"), 32.0)
    assert status(board, 33.0).endswith("outer for 33 s")
    board.hear(WorkEnded("outer"), 33.0)
    board.hear(StepBegan("transfer", 2, 5), 34.0)
    assert status(board, 40.0) == "[2/5 transfer] running for 40 s"


def test_durations_are_told_as_people_do() -> None:
    seconds = (0.4, 59, 60, 125, 601, 3599, 3600, 12000)
    expected = ["0 s", "59 s", "1 min", "2 min 5 s", "10 min", "60 min", "1 h", "3 h 20 min"]
    assert [duration(one) for one in seconds] == expected
