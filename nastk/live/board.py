"""What is known of a command that runs, put together from its events; all that shows it reads this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from nastk.events import (
    TRAINED,
    Counted,
    EpochEnded,
    Event,
    SearchBegan,
    StepBegan,
    TrainingBegan,
    TrialBegan,
    TrialEnded,
    TrialEpoch,
    WorkBegan,
    WorkEnded,
)
from nastk.objective import ACCURACY, SCORE, quality

OTHERS = ("duplicate", "rejected", "failed")


@dataclass(frozen=True)
class Best:
    """The best candidate so far: its trial, the key of its genotype, its metrics."""

    number: int
    key: str
    metrics: Mapping[str, float]


@dataclass
class Running:
    """A candidate in training: its key, since when (seconds of the clock), epochs done and the last accuracy."""

    key: str
    since: float
    epoch: int = 0
    accuracy: float | None = None


@dataclass
class Search:
    """How far a search is.

    Attributes:
        trials: how many candidates are to be trained.
        since: when this sitting began, by the clock.
        states: how many trials have ended in each state.
        before: how many candidates were trained in earlier sittings.
        best: so far.
        running: candidates in training, by their trials' numbers.
    """

    trials: int
    since: float
    states: Counter[str] = field(default_factory=Counter)
    before: int = 0
    best: Best | None = None
    running: dict[int, Running] = field(default_factory=dict)

    @property
    def trained(self) -> int:
        """How many candidates were trained, those that a pruner stopped among them."""
        return sum(self.states[state] for state in TRAINED)

    @property
    def done(self) -> int:
        """How many trials have ended, whatever came of them."""
        return self.states.total()

    def per_hour(self, now: float) -> float | None:
        """Returns how many candidates an hour this sitting has trained, None before the first."""
        done = self.trained - self.before
        return 3600 * done / (now - self.since) if done and now > self.since else None

    def seconds_left(self, now: float) -> float | None:
        """Returns how long the rest takes at that rate."""
        rate = self.per_hour(now)
        return None if rate is None else 3600 * max(self.trials - self.trained, 0) / rate


@dataclass
class Training:
    """How far a training other than a candidate's is; `marks` are (epochs done, when) of its first and last word."""

    task: str
    network: str
    epochs: int
    since: float
    epoch: int = 0
    loss: float | None = None
    marks: tuple[tuple[int, float], tuple[int, float]] | None = None

    def seconds_left(self) -> float | None:
        """Returns how long the rest takes, by the epochs of this sitting; None where none is known whole."""
        if self.marks is None:
            return None
        (first, start), (last, end) = self.marks
        if first == last == 1:  # it began with this sitting
            first, start = 0, self.since
        return (end - start) / (last - first) * (self.epochs - last) if last > first else None


@dataclass
class Count:
    """How far a countable work is, since when, and what was done before."""

    last: Counted
    since: float

    def seconds_left(self, now: float) -> float | None:
        """Returns how long the rest takes at the rate so far."""
        done = self.last.done - self.last.before
        return (now - self.since) / done * max(self.last.total - self.last.done, 0) if done > 0 else None


@dataclass
class Board:
    """What is known of a command that runs.

    Attributes:
        step: its name, or of a pipeline that of the step under way.
        began: when the command began, seconds of the clock.
        place: "2/5" in a pipeline, else "".
        search: the last one of the step.
        training: that is under way, or was last.
        counts: that are not over, by what is counted.
        doing: what has begun and not ended, each with its begin.
    """

    step: str
    began: float
    place: str = ""
    search: Search | None = None
    training: Training | None = None
    counts: dict[str, Count] = field(default_factory=dict)
    doing: list[tuple[str, float]] = field(default_factory=list)

    def hear(self, event: Event, now: float) -> None:
        """Takes in an event at a time of the clock."""
        match event:
            case StepBegan():
                self.step, self.place = event.step, f"{event.number}/{event.steps}"
                self.search = self.training = None
                self.counts.clear()
            case SearchBegan():
                self.search = Search(event.trials, now, Counter(event.states))
                self.search.before = self.search.trained
                self.search.best = None if event.best is None else Best(*event.best)
            case TrialBegan() | TrialEpoch() | TrialEnded():
                self._trial(event, now)
            case TrainingBegan() | EpochEnded():
                self._training(event, now)
            case Counted():
                self._count(event, now)
            case WorkBegan():
                self.doing.append((event.what, now))
            case WorkEnded():
                index = next(
                    (at for at, (what, _) in reversed(list(enumerate(self.doing))) if what == event.what), None
                )
                if index is not None:
                    del self.doing[index]
            case _:
                pass

    def _trial(self, event: TrialBegan | TrialEpoch | TrialEnded, now: float) -> None:
        search = self.search
        if search is None:
            return
        if isinstance(event, TrialBegan):
            search.running[event.number] = Running(event.key, now)
        elif isinstance(event, TrialEpoch):
            if event.number in search.running:
                search.running[event.number].epoch = event.epoch
                search.running[event.number].accuracy = event.accuracy
        else:
            search.running.pop(event.number, None)
            search.states[event.state] += 1
            best, told = search.best, event.state == "complete" and {ACCURACY, SCORE} & event.metrics.keys()
            if told and (best is None or quality(event.metrics) > quality(best.metrics)):
                search.best = Best(event.number, event.key, event.metrics)

    def _training(self, event: TrainingBegan | EpochEnded, now: float) -> None:
        now_trained = self.training
        if isinstance(event, TrainingBegan) or now_trained is None or now_trained.network != event.network:
            self.training = now_trained = Training(event.task, event.network, event.epochs, now)
        if isinstance(event, EpochEnded):
            now_trained.epoch, now_trained.loss = event.epoch, event.loss
            mark = event.epoch, now
            now_trained.marks = (mark if now_trained.marks is None else now_trained.marks[0], mark)

    def _count(self, event: Counted, now: float) -> None:
        if event.ended:
            self.counts.pop(event.what, None)
        elif event.what in self.counts:
            self.counts[event.what].last = event
        else:
            self.counts[event.what] = Count(event, now)
