"""The words for what a board knows: a line on how far a command is, a line on a trial, durations."""

from __future__ import annotations

from collections.abc import Mapping

from nastk.console import visible
from nastk.events import StepBegan, TrialEnded
from nastk.live.board import OTHERS, Board, Count, Search, Training
from nastk.objective import ACCURACY, NOT_TRUSTED, SCORE, STEADY

BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
SHORT = 8  # letters of a key that tell it from the others of a run
KEY = 16


def duration(seconds: float) -> str:
    """Returns a time for people: "40 s", "12 min 5 s", "3 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 and whole % 60 else f"{round(whole / 60)} min"
    hours, rest = divmod(round(whole / 60), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def left(seconds: float | None) -> list[str]:
    """Returns the words for the time that is left, none where it is not known."""
    return [] if seconds is None else [f"about {duration(seconds)} left"]


def amount(count: Count) -> str:
    """Returns "3 of 8 epochs", of bytes "1.2 of 8.4 MB"."""
    last = count.last
    if last.unit == "byte":
        size, name = next(((size, name) for size, name in BYTES if last.total >= size), (1.0, "bytes"))
        return f"{last.done / size:.1f} of {last.total / size:.1f} {name}"
    return f"{last.done} of {last.total} {last.unit}{'s' if last.total != 1 else ''}"


def named(network: str) -> str:
    """Returns a network's name, a key cut short."""
    return network[:SHORT] if len(network) >= KEY and " " not in network else visible(network)


def best_told(metrics: Mapping[str, float], params: bool = False) -> str:
    """Returns the accuracy or the score of a candidate, its latency, and its parameters where they are wanted."""
    told = f"{metrics[ACCURACY]:.4f}" if ACCURACY in metrics else f"score {metrics[SCORE]:.5g}"
    told += f" at {metrics['latency_ms']:.3g} ms" if "latency_ms" in metrics else ""
    return told + (f", {metrics['params']:,.0f} parameters" if params and "params" in metrics else "")


def search_told(search: Search, now: float) -> str:
    """Returns the best so far and what became of the others, as a trial's line ends."""
    others = ", ".join(f"{search.states[state]} {state}" for state in OTHERS if search.states[state])
    best = f"best {best_told(search.best.metrics, params=True)}" if search.best is not None else "no result yet"
    rate = search.per_hour(now)
    return ", ".join([best, *([others] if others else []), *pace(rate, search.seconds_left(now))])


def pace(per_hour: float | None, seconds_left: float | None) -> list[str]:
    """Returns the words for candidates an hour and the time left, none where nothing is known."""
    return (
        []
        if per_hour is None
        else [f"{per_hour:,.0f} an hour" if per_hour >= 10 else f"{per_hour:.1f} an hour"]
        + (left(seconds_left) if seconds_left else [])
    )


def step_line(event: StepBegan) -> str:
    """Returns which step of a pipeline begins."""
    return f"[{event.number}/{event.steps} {event.step}]"


def trial_line(event: TrialEnded, search: Search, now: float) -> str:
    """Returns what became of a trial, and of the search so far."""
    metrics = event.metrics
    facts = [f"{name} {metrics[name]:.4g}" for name in (ACCURACY, SCORE, "latency_ms") if name in metrics]
    facts += [NOT_TRUSTED.strip()] * (metrics.get(STEADY) == 0 and NOT_TRUSTED not in event.reason)
    facts = [fact for fact in facts if not event.reason.startswith(f"{fact} ")]  # told with why already
    line = f"trial {event.number:>4} {event.state:<9} {' '.join(filter(None, [*facts, event.reason]))}".rstrip()
    return f"{line}  [{event.trained}/{event.trials}] {search_told(search, now)}"


def training_line(training: Training) -> str:
    """Returns how far a training is: the epoch, the loss, the time left."""
    name = f" {named(training.network)}" if training.network else ""
    if not training.epoch:
        return f"{training.task}{name} epoch 1 of {training.epochs} under way"
    loss = f": loss {training.loss:.3f}" if training.loss is not None else ""
    rest = ", ".join(["", *left(training.seconds_left())]) if training.epoch < training.epochs else ""
    return f"{training.task}{name} epoch {training.epoch} of {training.epochs}{loss}{rest}"


def count_line(count: Count, now: float) -> str:
    """Returns how far a count is."""
    note = [count.last.note] if count.last.note else []
    return ", ".join([f"{count.last.what} {amount(count)}", *left(count.seconds_left(now)), *note])


def trials_told(search: Search, now: float) -> str:
    """Returns which candidates are in training and for how long."""
    numbers = sorted(search.running)
    since = min(one.since for one in search.running.values())
    shown = ", ".join(map(str, numbers[:4])) + (f" and {len(numbers) - 4} more" if len(numbers) > 4 else "")
    one = search.running[numbers[0]]
    epoch = f", epoch {one.epoch} done" if len(numbers) == 1 and one.epoch else ""
    return f"training trial{'s' if len(numbers) > 1 else ''} {shown} for {duration(now - since)}{epoch}"


def status(board: Board, now: float) -> str:
    """Returns a line on all that is under way, and for how long."""
    parts = []
    if board.search is not None:
        search = board.search
        parts.append(f"{search.trained} of {search.trials} trained, {search_told(search, now)}")
        if search.running:
            parts.append(trials_told(search, now))
    if board.training is not None:
        parts.append(training_line(board.training))
    parts += [count_line(count, now) for count in board.counts.values()]
    parts += [f"{visible(what)} for {duration(now - since)}" for what, since in board.doing[-1:]]
    place = f"[{board.place} {board.step}]" if board.place else f"{board.step}:"
    return f"{place} running for {duration(now - board.began)}{'; ' if parts else ''}{'; '.join(parts)}"
