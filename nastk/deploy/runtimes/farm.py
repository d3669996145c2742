"""A board farm: machines that are alike measure at once, each one thing at a time; one that fails is left out."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from nastk.deploy.runtimes.farm_asked import asked_at_once
from nastk.deploy.runtimes.farm_checks import check_alike, check_different, why_busy
from nastk.deploy.runtimes.farm_member import Member
from nastk.deploy.runtimes.farm_task import Found, Task, Timed
from nastk.deploy.runtimes.host_lock import LOOK_AGAIN_SECONDS, locked, unlocked
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import FileSuspected, HostFailed, end_there
from nastk.deploy.runtimes.suspects import FileFailed, Suspects
from nastk.errors import UserError

REST_SECONDS = 300.0
# How much longer, or shorter, a network may take on one machine than on those that it is compared with.
ALIKE = 0.1
MOST_DOUBTS = 3  # networks at which a machine may be in doubt before one could be compared


class _OnlyTried(Exception):  # noqa: N818 - an outcome of waiting
    """Nobody is left but those that have measured already."""


class Farm:
    """The machines of `target.hosts`. Threads and processes of this machine take turns by file locks.

    A machine that fails is left out; one that is busy or hot rests for five minutes, unless there is no other. Each is
    told on stderr, and another does its work. One that was in doubt at the first network, at which all are compared,
    does no work but to measure a later one too, until it is found to be alike or is left out. A file that two of them
    fail at is at fault itself, and they stay.

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
        self._ends = 0
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

    def end(self) -> None:
        """Ends what other threads have measured here now, for which nobody waits; no machine is left out for that."""
        self._ends += 1
        end_there(self._hosts)

    def run(self, job: Callable[[str], Timed[Found]]) -> tuple[str, Found]:
        """Has a free machine measure; returns which one did, and what it found.

        The first time all of them do, one after the other, and one that is slower than the quickest is left out.

        Raises:
            UserError: none is left; or what `job` raises that is not the machine's fault.
            FileFailed: a second one failed at the file, or the only one twice.
            Ended: `end` was called meanwhile.
        """
        begun = self._ends
        task = Task(job, lambda: self._ends != begun)
        with self._first:
            if not self._compared:
                found = self._compare(task)
                self._compared = True
                return found
        tried = self._tried(task)
        self.last = best = min(tried, key=lambda one: (tried[one].doubt is not None, tried[one].milliseconds))
        return best.host, tried[best].value

    def _tried(self, task: Task[Found]) -> dict[Member, Timed[Found]]:
        """Returns what was measured by one machine after the other, until one is not in doubt."""
        tried: dict[Member, Timed[Found]] = {}
        suspects = Suspects()
        while not tried or self._awake(suspects.without(tried, self._members)):
            try:
                with self._free(suspects.without(tried, self._members), task) as member:
                    tried[member] = timed = task.on(member.host)
                    member.about = timed.about or member.about
            except HostFailed as error:
                if not suspects.add(member, error):
                    self._leave_out(member, str(error))
                continue
            except _OnlyTried:  # the others went while this one waited for them
                continue
            if timed.doubt is None:
                self._compare_again(task, member, timed.milliseconds)
                break
            if self._awake(suspects.without(tried, self._members)):
                self._rest(member, timed.doubt)
        for member, why in suspects:  # not the file's fault: another one has measured it
            self._leave_out(member, why)
        return tried

    def _present(self, ask: Callable[[str], RemoteResult]) -> list[Member]:
        said, silent = asked_at_once(self._hosts, ask)
        for host, why in silent.items():
            self._gone[host] = str(why)
            print(f"{why}; it is left out", file=sys.stderr)
        return [Member(host, about) for host, about in said.items()] or self._none_left()

    def _compare(self, task: Task[Found]) -> tuple[str, Found]:
        found: dict[Member, Timed[Found]] = {}
        refused: dict[Member, UserError | MemoryError] = {}
        for member in self.members:
            try:
                with self._taken(member, task):
                    found[member] = task.on(member.host)
            except (UserError, MemoryError) as error:
                if isinstance(error, HostFailed) and not isinstance(error, FileSuspected):
                    self._leave_out(member, str(error))
                else:
                    refused[member] = error
        if not found:
            for why in refused.values():
                raise FileFailed(str(why)) if isinstance(why, FileSuspected) else why
            self._none_left()
        for member, why in refused.items():  # not the network's fault: another one has measured it
            self._leave_out(member, str(why))
        best = min(found, key=lambda one: (found[one].doubt is not None, found[one].milliseconds))
        for member, timed in found.items():
            if member is best:
                member.alike, member.doubts = timed.doubt is None, int(timed.doubt is not None)
            else:
                self._judge(member, timed, best, found[best].milliseconds, first=True)
        self.last = best
        return best.host, found[best].value

    def _compare_again(self, task: Task[Found], member: Member, milliseconds: float) -> None:
        """Has one that was in doubt until now, and has rested, measure what another one has measured without doubt."""
        with self._guard:
            unknown = [one for one in self._awake((member.host,), alike=False) if one is not member]
            member.alike = member.alike or not any(one.alike for one in self._members)  # others are compared with it
        handle = locked(unknown[0].lock) if unknown and member.alike else None
        if handle is None:
            return
        try:
            timed = task.on(unknown[0].host)
        except (UserError, MemoryError) as error:  # not the network's fault: another one has measured it
            self._leave_out(unknown[0], str(error))
        else:
            self._judge(unknown[0], timed, member, milliseconds)
        finally:
            unlocked(handle)

    def _judge(
        self, member: Member, timed: Timed[Found], other: Member, milliseconds: float, first: bool = False
    ) -> None:
        """Trusts a machine, leaves it out or lets it rest, by what it and another one measured of the same network."""
        network = "the first network" if first else "a network"
        said = f"{network} takes {timed.milliseconds:.4g} ms there and {milliseconds:.4g} ms on {other.host}"
        if timed.doubt is not None:
            member.doubts += 1
            if member.doubts >= MOST_DOUBTS:
                self._leave_out(member, f"remote {member.host}: in doubt at {MOST_DOUBTS} networks: {timed.doubt}")
            else:
                self._rest(member, timed.doubt, ", then it is compared again")
        elif abs(timed.milliseconds / milliseconds - 1) > ALIKE:
            alike = f"expected machines that are alike to {ALIKE:.0%}"
            self._leave_out(member, f"remote {member.host}: {said}, {alike}")
        else:
            member.alike = True
            if not first:
                print(f"remote {member.host}: {said}; it is trusted from now on", file=sys.stderr)

    def _awake(self, without: Collection[str], alike: bool = True) -> list[Member]:
        """Returns who may be asked next, the one that has had nothing for the longest time first."""
        now = time.monotonic()
        left = (one for one in self._some(alike) if one.host not in without and one.rests_until <= now)
        return sorted(left, key=lambda one: one.used)

    def _some(self, alike: bool = True) -> list[Member]:
        """Returns those that are known to be alike, or else all; or those that are not."""
        found = [one for one in self._members if one.alike == alike]
        return found or (self._members if alike else [])

    @contextlib.contextmanager
    def _free(self, without: Collection[str], task: Task[Found]) -> Iterator[Member]:
        """Waits for a machine that nobody measures on; where all of them rest, one of these."""
        while True:
            task.check()
            members = self._awake(without) or [one for one in self._some() if one.host not in without]
            if not members and without:
                raise _OnlyTried
            for member in members or self._none_left():
                handle = locked(member.lock)
                if handle is not None:
                    try:
                        member.used = time.monotonic()
                        yield member
                    finally:
                        unlocked(handle)
                    return
            time.sleep(LOOK_AGAIN_SECONDS)

    @contextlib.contextmanager
    def _taken(self, member: Member, task: Task[Found]) -> Iterator[None]:
        """Waits for one machine."""
        while (handle := locked(member.lock)) is None:
            task.check()
            time.sleep(LOOK_AGAIN_SECONDS)
        try:
            yield
        finally:
            unlocked(handle)

    def _leave_out(self, member: Member, reason: str) -> None:
        with self._guard:
            if member in self._members:
                self._members = [one for one in self._members if one is not member]
                self._gone[member.host] = reason
                rest = ", ".join(one.host for one in self._members)
                print(f"{reason}; it is left out{f', its work goes to {rest}' * bool(rest)}", file=sys.stderr)

    def _rest(self, member: Member, reason: str, then: str = "") -> None:
        with self._guard:
            member.rests_until = time.monotonic() + REST_SECONDS
            print(f"remote {member.host}: {reason}; it rests for {REST_SECONDS:.0f} s{then}", file=sys.stderr)

    def _none_left(self) -> list[Member]:
        reasons = "; ".join(self._gone[host].removeprefix("remote ") for host in self._hosts if host in self._gone)
        raise UserError(f"target.hosts: none of {len(self._hosts)} machines can measure: {reasons}")
