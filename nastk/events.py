"""What a step tells of its progress while it runs, and to whom: callbacks of the Python API."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


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
class EpochEnded:
    """A network that is trained in full has gone through its training images once more.

    Attributes:
        network: the key of its genotype, or the name of a known network.
        epoch: how many it has gone through.
        epochs: how many it will.
        loss: mean training loss of the epoch.
    """

    network: str
    epoch: int
    epochs: int
    loss: float


@dataclass(frozen=True)
class Said:
    """A line that the command line would have printed."""

    text: str


Event = TrialEnded | EpochEnded | Said
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
