"""Which machines may measure candidates of one search: different ones, but alike, and at rest."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.errors import UserError
from nastk.stats.steadiness import CROWD

SAME = ("architecture", "processor", "features", "cores", "gpu")
REVISION = re.compile(r"\s+Rev\s+[\d.]+$")  # of a board: the processor is the same


def check_different(abouts: Mapping[str, RemoteResult]) -> None:
    """Raises UserError where two hosts are one machine, which would measure both at once and each too slow."""
    names: dict[str, str] = {}
    for host, about in abouts.items():
        if about.identity is None:
            continue
        if about.identity in names:
            first = names[about.identity]
            raise UserError(f"target.hosts: {first} and {host} are one machine, expected different ones")
        names[about.identity] = host


def check_alike(abouts: Mapping[str, RemoteResult]) -> None:
    """Raises UserError where hosts differ in processor or runtime: their latencies could not be compared."""
    (first, mine), *others = ((host, _kind(about)) for host, about in abouts.items())
    for host, theirs in others:
        for name in (name for name in mine if mine[name] != theirs.get(name)):
            raise UserError(
                f"target.hosts: {name} of {first} is {mine[name]!r}, of {host} {theirs.get(name)!r}; their latencies "
                "cannot be compared, expected machines that are alike"
            )


def why_busy(about: RemoteResult) -> str | None:
    """Returns why a machine had better not measure now, None where it may."""
    cores = about.machine.get("cores")
    if about.others is not None and isinstance(cores, int | float) and about.others + about.threads > cores + CROWD:
        return f"is busy, {about.others:.2g} others want to run on {cores:g} cores"
    return about.hot


def without_revision(fact: object) -> object:
    """Returns a fact of a board as it is of all its revisions."""
    return REVISION.sub("", fact) if isinstance(fact, str) else fact


def _kind(about: RemoteResult) -> dict[str, object]:
    facts = {name: about.machine.get(name) for name in SAME}
    alike = {name: without_revision(fact) for name, fact in facts.items()}
    return {**alike, **{name: one for name, one in about.versions.items() if name not in ("python", "numpy")}}
