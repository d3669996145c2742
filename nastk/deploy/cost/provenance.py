"""What a table or predictor of latencies was made on, and what may have changed since: another runtime, processor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nastk.console import one_line
from nastk.deploy.runtimes.machine import RUNTIMES


@dataclass(frozen=True)
class Provenance:
    """What the latencies in a file are of.

    Attributes:
        kind: of the file, "table" or "learned".
        path: of it.
        device: facts of the machine; as many as it tells.
        versions: of what ran there, {} where it does not tell.
        date: of the measurement, "" where it does not tell.
        float_stem: of the scheme of int8 files, see `Scheme`; None of other files, and where it does not tell.
    """

    kind: str
    path: Path
    device: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str = ""
    float_stem: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON form, as a run records it."""
        return {
            "path": str(self.path),
            "device": dict(self.device),
            "versions": dict(self.versions),
            "date": self.date,
        }


def changed_since(
    made: Provenance,
    machine: Mapping[str, Any],
    versions: Mapping[str, str],
    float_stem: int | None = None,
    runtime: str | None = None,
) -> str | None:
    """Returns in one line what is not as it was when a file of latencies was made, None where nothing is known of it.

    It is a warning where runtime or features of the same processor are others, for then the latencies may no longer
    hold; another processor is what tables are for, and a note.

    Args:
        made: what the file is of.
        machine: facts of where the files will run, or of this machine.
        versions: of the runtimes there, by package.
        float_stem: of the scheme that int8 files are written by now, None if unknown.
        runtime: the package that will run the files, None if unknown.
    """
    others = _runtimes(made, versions, runtime)
    if None not in (made.float_stem, float_stem) and made.float_stem != float_stem:
        others.append("int8 files that compute their stem otherwise")
    processor, mine = made.device.get("processor"), machine.get("processor")
    if not isinstance(processor, str):  # all that is known of it is a name
        processor = mine
    features = _features(made.device, machine) if processor == mine else None
    where = f" on {one_line(processor)}, here is {mine}" if processor != mine else ""
    head = f"latency={made.kind}: {made.path} is of {one_line(made.date) or 'an unknown date'}"
    if others or features:
        said = "; ".join([*(f"made with {one}" for one in others), *([features] if features else [])])
        return (
            f"warning: {head}{where}; {said}: kernels change with these, some by factors, int8 most; make it anew with "
            "what will run, or compare: python -m nastk.bench against=FILE"
        )
    return f"note: {head}{where}: latencies are those of that processor" if where else None


def _runtimes(made: Provenance, versions: Mapping[str, str], runtime: str | None) -> list[str]:
    """Returns which other runtime, or which other version of it, made the file; [] where none is known to have."""
    by = {name: f"{RUNTIMES[name]} {one_line(made.versions[name])}" for name in RUNTIMES if name in made.versions}
    if by and runtime is not None and runtime not in by:
        return [f"{', '.join(by.values())}, the target's files run by {RUNTIMES.get(runtime, runtime)}"]
    return [
        f"{told}, here is {versions[name]}"
        for name, told in by.items()
        if name in versions and made.versions[name] != versions[name]
    ]


def _features(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Returns how the features of the same processor differ, as a hypervisor may have it; None where they do not."""
    told = then.get("features"), now.get("features")
    if not all(isinstance(one, str) for one in told):
        return None
    before, after = (set(str(one).split()) for one in told)
    parts = [("without", before - after), ("with", after - before)]
    said = [f"{word} {', '.join(sorted(names))}" for word, names in parts if names]
    return f"the processor is now {' and '.join(said)}" if said else None
