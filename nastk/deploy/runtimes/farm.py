"""A board farm: machines that are alike measure at once, each one thing at a time; one that fails is left out."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from nastk.deploy.runtimes.farm_checks import check_alike, check_different, why_busy
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import HostFailed
from nastk.errors import UserError
from nastk.files import cannot_write

Found = TypeVar("Found")

LOCKS = Path("~/.cache/nastk/hosts")
REST_SECONDS = 300.0
LOOK_AGAIN_SECONDS = 0.05
# How much longer the first network may take on one machine than on the quickest.
ALIKE = 0.1


@dataclass(frozen=True)
class Timed(Generic[Found]):
    """What a machine measured: the value, its milliseconds together, and why they are not to be trusted, or None."""

    value: Found
    milliseconds: float
    doubt: str | None


@dataclass(eq=False)
class Member:
    """A machine of a farm.

    Attributes:
        host: as ssh takes it.
        about: what it says of itself.
        rests_until: by the monotonic clock; it was busy or hot.
        used: when it was last given something.
    """

    host: str
    about: RemoteResult
    rests_until: float = field(default=0.0)
    used: float = field(default=0.0)

    @property
    def lock(self) -> Path:
        """The file that is locked by whoever measures on it, from this machine and under whatever name."""
        name = hashlib.sha256((self.about.identity or self.host).encode()).hexdigest()[:16]
        return LOCKS.expanduser() / f"{name}.lock"


class Farm:
    """The machines of `target.hosts`. Threads and processes of this machine take turns by file locks.

    A machine that fails is left out; one that is busy or hot rests for five minutes, unless there is no other. Each is
    told on stderr, and another does its work.

    Args:
        hosts: as ssh takes them.
        ask: asks one what it is.

    Raises:
        UserError: none can measure, two are one machine, or they are not alike.
    """

    def __init__(self, hosts: Sequence[str], ask: Callable[[str], RemoteResult]) -> None:
        self._hosts = tuple(hosts)
        self._gone: dict[str, str] = {}
        self._guard, self._first = threading.Lock(), threading.Lock()
        self._compared = len(hosts) == 1
        self._members = self._present(ask)
        self.last = self._members[0]
        abouts = {member.host: member.about for member in self._members}
        check_different(abouts)
        check_alike(abouts)
        for member in self._members:
            busy = why_busy(member.about)
            if busy is not None:
                self._rest(member, busy)

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> list[Member]:
        """Those that are not left out."""
        return list(self._members)

    def run(self, job: Callable[[str], Timed[Found]]) -> tuple[str, Found]:
        """Has a free machine measure; returns which one did, and what it found.

        The first time all of them do, one after the other, and one that is slower than the quickest is left out.

        Raises:
            UserError: none is left; or what `job` raises that is not the machine's fault.
        """
        with self._first:
            if not self._compared:
                found = self._compare(job)
                self._compared = True
                return found
        tried: dict[str, Timed[Found]] = {}
        while not tried or self._awake(tried):
            try:
                with self._free(tried) as member:
                    tried[member.host] = timed = job(member.host)
                    self.last = member
            except HostFailed as error:
                self._leave_out(member, str(error))
                continue
            if timed.doubt is None:
                break
            if self._awake(tried):
                self._rest(member, timed.doubt)
        host = min(tried, key=lambda one: (tried[one].doubt is not None, tried[one].milliseconds))
        return host, tried[host].value

    def _present(self, ask: Callable[[str], RemoteResult]) -> list[Member]:
        def asked(host: str) -> Member | str:
            try:
                return Member(host, ask(host))
            except UserError as error:
                return str(error)

        with ThreadPoolExecutor(len(self._hosts)) as pool:
            found = dict(zip(self._hosts, pool.map(asked, self._hosts), strict=True))
        self._gone |= {host: one for host, one in found.items() if isinstance(one, str)}
        for reason in self._gone.values():
            print(f"{reason}; it is left out", file=sys.stderr)
        members = [one for one in found.values() if isinstance(one, Member)]
        return members or self._none_left()

    def _compare(self, job: Callable[[str], Timed[Found]]) -> tuple[str, Found]:
        found: dict[Member, Timed[Found]] = {}
        for member in self.members:
            try:
                with self._taken(member):
                    found[member] = job(member.host)
            except HostFailed as error:
                self._leave_out(member, str(error))
        if not found:
            self._none_left()
        best = min(found, key=lambda one: (found[one].doubt is not None, found[one].milliseconds))
        for member, timed in found.items():
            slower = timed.milliseconds / found[best].milliseconds - 1
            if member is not best and timed.doubt is not None:
                self._rest(member, timed.doubt)
            elif slower > ALIKE:
                took, least = timed.milliseconds, found[best].milliseconds
                self._leave_out(
                    member,
                    f"remote {member.host}: the first network takes {took:.4g} ms there and {least:.4g} ms on "
                    f"{best.host}, expected machines that are alike to {ALIKE:.0%}",
                )
        self.last = best
        return best.host, found[best].value

    def _awake(self, without: Collection[str]) -> list[Member]:
        """Returns who may be asked next, the one that has had nothing for the longest time first."""
        now = time.monotonic()
        left = [one for one in self._members if one.host not in without and one.rests_until <= now]
        return sorted(left, key=lambda one: one.used)

    @contextlib.contextmanager
    def _free(self, without: Collection[str]) -> Iterator[Member]:
        """Waits for a machine that nobody measures on; where all of them rest, one of these."""
        while True:
            members = self._awake(without) or [one for one in self._members if one.host not in without]
            for member in members or self._none_left():
                handle = _locked(member.lock)
                if handle is not None:
                    try:
                        member.used = time.monotonic()
                        yield member
                    finally:
                        os.close(handle)
                    return
            time.sleep(LOOK_AGAIN_SECONDS)

    @contextlib.contextmanager
    def _taken(self, member: Member) -> Iterator[None]:
        """Waits for one machine."""
        while (handle := _locked(member.lock)) is None:
            time.sleep(LOOK_AGAIN_SECONDS)
        try:
            yield
        finally:
            os.close(handle)

    def _leave_out(self, member: Member, reason: str) -> None:
        with self._guard:
            if member in self._members:
                self._members = [one for one in self._members if one is not member]
                self._gone[member.host] = reason
                rest = ", ".join(one.host for one in self._members)
                print(f"{reason}; it is left out{f', its work goes to {rest}' * bool(rest)}", file=sys.stderr)

    def _rest(self, member: Member, reason: str) -> None:
        with self._guard:
            member.rests_until = time.monotonic() + REST_SECONDS
            print(f"remote {member.host}: {reason}; it rests for {REST_SECONDS:.0f} s", file=sys.stderr)

    def _none_left(self) -> list[Member]:
        reasons = "; ".join(self._gone[host].removeprefix("remote ") for host in self._hosts if host in self._gone)
        raise UserError(f"target.hosts: none of {len(self._hosts)} machines can measure: {reasons}")


def _locked(path: Path) -> int | None:
    """Returns the handle of a lock, which lasts until it is closed or its process ends; None where it is taken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
