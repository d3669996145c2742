"""The latencies of files on another machine, by the protocol of this one, and which machines may be asked for them."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nastk.checks import check_whole
from nastk.deploy.runtimes.candidate_timing import QuickTiming, steadiest, timing_of
from nastk.deploy.runtimes.farm import Farm
from nastk.deploy.runtimes.latency import TURN_SECONDS, Latency, summaries
from nastk.deploy.runtimes.remote_ask import Conditions, Request, ask, why_emulated
from nastk.deploy.runtimes.remote_machine import CPU
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import check_host
from nastk.deploy.runtimes.remote_trtexec import TENSORRT
from nastk.errors import UserError
from nastk.stats.steadiness import MOST_REPEATS, Repeat, quietest

MOST_HOSTS = 256


def quick_there(
    host: str, how: Conditions, name: str, file: bytes, seconds: float, settings: Mapping[str, Any]
) -> QuickTiming:
    """Returns how long a candidate takes there: anew where in doubt, three times at most."""
    request = Request({name: file}, seconds=seconds, quick=True, settings={name: settings})

    def one() -> QuickTiming:
        answer = ask(host, how, request)
        found = timing_of(answer.seconds[name][0], _others(how, answer), answer.threads, _cores(answer))
        return replace(found, doubt=found.doubt or answer.hot)

    return steadiest(one)


def latencies_there(host: str, how: Conditions, request: Request) -> tuple[list[Latency], RemoteResult]:
    """Returns the latency of each file there, measured in turn, anew where in doubt, and what the machine then is.

    See `latency.measure`. Some runs beforehand say how long the machine may take for all of them.
    """
    if how.runtime != TENSORRT:  # trtexec has time to build an engine, which is more
        before = ask(host, how, replace(request, quick=True, seconds=0.0))
        request = replace(request, expected=expected_seconds(before, request))
    repeats: list[Repeat] = []
    while True:
        answer = ask(host, how, request)
        times = zip(*(answer.seconds[name] for name in request.models), strict=True)
        repeats += [Repeat(one, _others(how, answer)) for one in times]
        found = summaries(quietest(repeats), how.batch, answer.threads, _cores(answer))
        if answer.hot is not None:
            found = [replace(one, steady=False, doubt=one.doubt or answer.hot) for one in found]
        if len(repeats) >= MOST_REPEATS or all(latency.steady for latency in found):
            return found, replace(answer, seconds={})


def expected_seconds(before: RemoteResult, request: Request) -> float:
    """Returns how long the files take in turn by some runs of each: the slowest needs most turns, and all take them."""
    medians = [statistics.median(repeats[0]) for repeats in before.seconds.values()]
    # A turn's first run is not counted, and one is, however long it takes.
    turns = [max(request.runs, request.seconds / one) / max(1.0, TURN_SECONDS / one - 1) for one in medians]
    return max(turns) * math.fsum(max(2 * one, TURN_SECONDS + one) for one in medians)


def check_hosts(host: str | None, hosts: Sequence[str]) -> None:
    """Raises UserError where neither one machine nor several different ones are named, or what is none."""
    if host is None and not hosts:
        raise UserError(
            "target.host: not given, expected target.host=VALUE on the command line, or target.hosts=[A,B] for several"
        )
    if host is not None and hosts:
        raise UserError(f"target.host={host} and target.hosts=[{','.join(hosts)}] are given, expected one of them")
    check_whole("target: number of hosts", len(hosts), 0, MOST_HOSTS)
    for one in hosts or (host,):
        check_host(str(one))
    twice = next((one for place, one in enumerate(hosts) if one in hosts[:place]), None)
    if twice is not None:
        raise UserError(f"target.hosts: {twice} is named twice, expected different machines")


@functools.cache
def farm_of(hosts: tuple[str, ...], how: Conditions, ssh: str | None) -> Farm:
    """Opens a farm once a process: who was left out stays so. `ssh` is how they are reached."""

    def about(host: str) -> RemoteResult:
        found = ask(host, how, Request())
        if found.machine["emulated"] is not None:
            raise UserError(why_emulated(host, found.machine["emulated"]))
        return found

    return Farm(hosts, about)


def _cores(answer: RemoteResult) -> int | None:
    cores = answer.machine["cores"]
    return int(cores) if isinstance(cores, int | float) and cores >= 1 else None


def _others(how: Conditions, answer: RemoteResult) -> float | None:
    """A GPU's times are not those of the processor."""
    return answer.others if how.provider == CPU else None
