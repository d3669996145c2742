"""What the latencies of a search are of: recorded in its folder, and said where a table or predictor is not as made."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.console import one_line
from nastk.deploy.cost.conditions import conditions_of
from nastk.deploy.cost.provenance import changed_since
from nastk.deploy.cost.sources import made_of
from nastk.deploy.export.timings import timed_now
from nastk.deploy.runtimes.farm_checks import without_revision
from nastk.deploy.runtimes.machine import RUNTIMES, heat_warning, machine_facts, versions
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.jobs.search_parts import SearchParts
from nastk.runs.latency_record import MEASURED, LatencyRecord, add_latency_record, read_latency_records

DEVICE = ("processor", "model", "gpu")  # what makes another device of it
FURTHER = ("seconds", "of")  # what a record tells beside the conditions that a latency holds for


def record_latencies(folder: Path, parts: SearchParts, from_trial: int, known: bool) -> None:
    """Adds to a run's latency.jsonl what its latencies are of, and warns once where they may be others.

    Args:
        folder: of the run.
        parts: of the search.
        from_trial: the number of the first trial of this sitting.
        known: whether the evaluator knows the cost of its candidates, so that none is measured.
    """
    made, target = made_of(parts.latency), parts.target
    if made is None and (target is None or known):
        return
    machine, ran = _here(target)
    stem = None if target is None else target.scheme.float_stem
    if made is not None:
        said = changed_since(made, machine, ran, stem, None if target is None else target.timed_with)
        if said is not None:
            print(said, file=sys.stderr)
    else:
        exchanged = None if target is None else _exchanged(folder, target, machine, ran)
        for warning in filter(None, (exchanged, heat_warning(machine))):
            print(f"warning: {warning}", file=sys.stderr)
    record = LatencyRecord(
        source=MEASURED if made is None else made.kind,
        target=None if target is None else target.name,
        conditions=conditions_of(target)
        | {name: getattr(target, name) for name in FURTHER if hasattr(target, name)}
        | ({} if stem is None else {"float_stem": stem}),
        versions=ran,
        machine=machine,
        made_of={} if made is None else made.to_dict(),
    )
    add_latency_record(folder, record, from_trial)


def _exchanged(folder: Path, target: Target, machine: Mapping[str, Any], ran: Mapping[str, str]) -> str | None:
    """Returns in one line that a run's last latencies were measured on something else; None where they were not."""
    records = (one for one in reversed(read_latency_records(folder)) if one["source"] == MEASURED)
    before = next((one for one in records if one.get("target") == target.name), None)
    if before is None:
        return None
    pairs = [(name, before["machine"].get(name), machine.get(name)) for name in DEVICE]
    pairs += [(RUNTIMES.get(name, name), before["versions"].get(name), version) for name, version in ran.items()]
    told = [
        f"{name} is {one_line(now)}, was {one_line(then)}"
        for name, then, now in pairs
        if isinstance(then, str) and isinstance(now, str) and without_revision(then) != without_revision(now)
    ]
    if not told:
        return None
    return (
        f"{folder}: what measures the candidates is not what measured those before: {'; '.join(told)}; their "
        "latencies cannot be compared: go on with what it was, or search anew with another run=NAME"
    )


def _here(target: Target | None) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Returns facts and versions of where a target's files run; of this machine where that cannot be asked."""
    try:
        timed = timed_now(target)
    except UserError:  # a device elsewhere that a table stands for, or a runtime that is not installed
        return machine_facts(), {name: version for name, version in versions().items() if name in RUNTIMES}
    return timed["machine"], timed["versions"]
