"""What a step tells of its progress while it runs, and to whom: what shows it, and callbacks of the Python API."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

# States of trials whose candidate was trained, by a pruner's leave to the end or not.
TRAINED = ("complete", "pruned")


@dataclass(frozen=True)
class StepBegan:
    """A pipeline goes on to its next step.

    Attributes:
        step: its name, such as "transfer".
        number: from 1.
        steps: how many there are.
    """

    step: str
    number: int
    steps: int


@dataclass(frozen=True)
class SearchBegan:
    """A search begins, or goes on.

    Attributes:
        folder: of the run.
        trials: how many candidates are to be trained.
        states: how many trials of each state there are already, see `TrialEnded`.
        best: number, key and metrics of the best trial so far, None where there is none.
    """

    folder: str
    trials: int
    states: Mapping[str, int]
    best: tuple[int, str, Mapping[str, float]] | None


@dataclass(frozen=True)
class TrialBegan:
    """A candidate of a search begins to be trained; once more where the worker that trained it has died.

    Attributes:
        number: the trial's, from 0.
        key: of the genotype.
    """

    number: int
    key: str


@dataclass(frozen=True)
class TrialEpoch:
    """A candidate in training has gone through its images once more.

    Attributes:
        number: the trial's.
        epoch: how many times by now.
        accuracy: on the images held out, 0..1.
    """

    number: int
    epoch: int
    accuracy: float


@dataclass(frozen=True)
class TrialEnded:
    """A candidate of a search has its outcome.

    Attributes:
        number: the trial's, from 0.
        state: complete, duplicate, rejected, pruned or failed.
        key: of the genotype.
        metrics: accuracy (0..1), latency_ms, params, ...
        reason: why it ended so, "" where it was trained.
        trained: how many candidates are trained by now.
        trials: how many are to be.
    """

    number: int
    state: str
    key: str
    metrics: Mapping[str, float]
    reason: str
    trained: int
    trials: int


@dataclass(frozen=True)
class TrainingBegan:
    """A training other than a candidate's begins, or goes on.

    Attributes:
        task: what it is for: "transfer", "qat", "supernet", "segmentation" or "detection".
        network: the key of its genotype, or the name of a known network; "" for all networks of a space.
        epochs: how many it will go through its training images.
    """

    task: str
    network: str
    epochs: int


@dataclass(frozen=True)
class EpochEnded:
    """A network that is trained in full has gone through its training images once more.

    Attributes:
        network: the key of its genotype, or the name of a known network; "" for all networks of a space.
        epoch: how many it has gone through.
        epochs: how many it will.
        loss: mean training loss of the epoch.
        task: as of `TrainingBegan`.
    """

    network: str
    epoch: int
    epochs: int
    loss: float
    task: str = "transfer"


@dataclass(frozen=True)
class Counted:
    """So much of a countable work is done.

    Attributes:
        what: "decoding", "transfer", "audit", ...
        done: of `total`.
        total: how much there is.
        unit: "image", "epoch", "byte", ...
        before: of `done`, what was there already: the time that is left follows from the rest.
        note: the best so far, say.
        ended: it is done or given up.
    """

    what: str
    done: int
    total: int
    unit: str
    before: int = 0
    note: str = ""
    ended: bool = False


@dataclass(frozen=True)
class WorkBegan:
    """Something that may take a while and cannot be counted has begun; see `nastk.progress.doing`."""

    what: str


@dataclass(frozen=True)
class WorkEnded:
    """It has ended, well or not."""

    what: str


@dataclass(frozen=True)
class Said:
    """A line that the command line would have printed."""

    text: str


Event = (
    StepBegan
    | SearchBegan
    | TrialBegan
    | TrialEpoch
    | TrialEnded
    | TrainingBegan
    | EpochEnded
    | Counted
    | WorkBegan
    | WorkEnded
    | Said
)
Listener = Callable[[Event], object]

_listeners: list[Listener] = []


def tell(event: Event) -> None:
    """Hands an event to all who listen in this process; what a listener raises ends the step."""
    for listener in tuple(_listeners):
        listener(event)


@contextlib.contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Hands all events of the block to a listener."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


os.register_at_fork(after_in_child=_listeners.clear)  # a process that decodes images has nothing to show
