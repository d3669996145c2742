"""Whose fault it is that a file was not measured: the machine's, or, where it happens again, the file's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from nastk.deploy.runtimes.farm_member import Member
from nastk.deploy.runtimes.remote_shell import FileSuspected, HostFailed
from nastk.errors import UserError

Found = TypeVar("Found")


class FileFailed(UserError):  # noqa: N818 - what happened, as in the message
    """A file ended the process that measured it, or was refused, twice: another file may do better."""


class Suspects:
    """Machines on which one file failed, each of them once."""

    def __init__(self) -> None:
        self._why: dict[Member, FileSuspected] = {}

    def __iter__(self) -> Iterator[tuple[Member, str]]:
        return ((member, str(why)) for member, why in self._why.items())

    def without(self, tried: Collection[Member], members: Collection[Member]) -> list[str]:
        """Returns the hosts that are not asked: those of `tried`, and suspects unless there is nobody else."""
        others = bool(tried) or any(one not in self._why for one in members)
        return [one.host for one in (*tried, *(self._why if others else ()))]

    def add(self, member: Member, why: HostFailed) -> bool:
        """Notes that a machine failed where the file may be why; returns whether it may.

        Raises:
            FileFailed: the file did so before, there or elsewhere.
        """
        if not isinstance(why, FileSuspected):
            return False
        for before, earlier in self._why.items():
            again = "a second time" if before is member else f"remote {member.host}: the same"
            raise FileFailed(f"{earlier}; {again}")
        self._why[member] = why
        return True


def tried_twice(job: Callable[[str], Found], host: str) -> Found:
    """Has the only machine there is measure; raises FileFailed where the file fails there twice."""
    try:
        return job(host)
    except FileSuspected as error:
        first = str(error)
    try:
        return job(host)
    except FileSuspected:
        raise FileFailed(f"{first}; a second time") from None
