"""What a machine of a farm is given to measure, until nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import HostFailed

Found = TypeVar("Found")


class Ended(Exception):  # noqa: N818 - an outcome of waiting
    """Nobody waits any more for what is being measured."""


@dataclass(frozen=True)
class Timed(Generic[Found]):
    """What a machine measured.

    Attributes:
        value: of the measurement.
        milliseconds: of all files together.
        doubt: why they are not to be trusted, or None.
        about: what the machine said of itself meanwhile, where that is to be kept.
    """

    value: Found
    milliseconds: float
    doubt: str | None
    about: RemoteResult | None = None


class Task(Generic[Found]):
    """A job for one machine after the other.

    Args:
        job: has a host measure.
        ended: says whether nobody waits for it any more.
    """

    def __init__(self, job: Callable[[str], Timed[Found]], ended: Callable[[], bool]) -> None:
        self._job, self._ended = job, ended

    def check(self) -> None:
        """Raises Ended where nobody waits."""
        if self._ended():
            raise Ended

    def on(self, host: str) -> Timed[Found]:
        """Returns what a host measured; raises HostFailed where it did not, unless it was told to end."""
        self.check()
        try:
            return self._job(host)
        except HostFailed:
            self.check()
            raise
