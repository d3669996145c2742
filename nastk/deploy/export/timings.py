"""The one latency of a file: what manifest.json says of it, and which of two measurements it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nastk.deploy.export.assess import EvaluatedFile, Quality
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.targets import Target
from nastk.stats.steadiness import doubt

HELD_OUT = "held_out_accuracy"  # of a file, where training images were held out of the network's training
NUMBERS = {"p50": "p50_ms", "p90": "p90_ms", "p99": "p99_ms", "min": "min_ms"}
OTHERS = ("runs", "spread", "batch", "threads", "steady", "doubt", "streams")
# What makes two machines one: a clock and a load are never the same twice.
MACHINE = ("processor", "architecture", "cores", "gpu")


def latency_entry(latency: Latency | None) -> dict[str, Any] | None:
    """Returns `latency_ms` of the manifest."""
    if latency is None:
        return None
    return {
        **{name: getattr(latency, field) for name, field in NUMBERS.items()},
        **{name: getattr(latency, name) for name in OTHERS},
    }


def stored_latency(entry: Mapping[str, Any] | None) -> Latency | None:
    """Returns what `latency_entry` made an entry of; one of before there was a doubt is judged by its numbers."""
    if entry is None:
        return None
    why = entry["doubt"] if "doubt" in entry else doubt(entry["p50"], entry["min"], entry["spread"])
    return Latency(
        **{field: entry[name] for name, field in NUMBERS.items()},
        **{name: entry[name] for name in OTHERS[:4]},
        steady=why is None,
        doubt=why,
        streams=entry.get("streams", 1),
    )


def evaluated_files(target: Mapping[str, Any]) -> list[EvaluatedFile]:
    """Returns how the files of a target did, by its entry in the manifest."""
    found = []
    for precision, entry in target["precisions"].items():
        score = None
        if entry["accuracy"] is not None:
            known = (entry["accuracy"], entry["agreement"], entry["max_logit_difference"])
            score = Quality(*known, held_out=entry.get(HELD_OUT))
        found.append(EvaluatedFile(precision, entry["file"], score, stored_latency(entry["latency_ms"])))
    return found


def timed_now(target: Target | None = None) -> dict[str, Any]:
    """Returns when, on what and by which version of its runtime a target's files are being timed.

    Args:
        target: None for ONNX Runtime on this machine.
    """
    there = None if target is None else target.measured_on()
    machine = machine_facts() if there is None else there[0]
    ran = {"onnxruntime": versions()["onnxruntime"]} if target is None else target.timed_by()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": at, "machine": dict(machine), "versions": ran}


def fits(target: Mapping[str, Any], asked: Mapping[str, Any], latencies: Mapping[str, Latency]) -> bool:
    """Returns whether latencies are those that a target's entry shows: of all its files, under the same conditions.

    These are images at a time, threads and streams.

    Args:
        target: its entry in the manifest.
        asked: the settings that the export had for it.
        latencies: by file name.
    """
    stored = {one.file: one.latency for one in evaluated_files(target)}
    if set(stored) != set(latencies):
        return False
    for file, new in latencies.items():
        old = stored[file]
        if old is not None and _settings(old) != _settings(new):
            return False
        if old is None and any(asked.get(name, mine) not in (mine, 0) for name, mine in _settings(new)):
            return False
    return True


def retimed(
    target: Mapping[str, Any], latencies: Mapping[str, Latency], timed: Mapping[str, Any], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a target's entry with newer latencies, or as it was where only the older ones can be trusted.

    All files of a target are measured side by side, and so they are kept or replaced together.

    Args:
        target: its entry in the manifest.
        latencies: by file name, those that `fits`.
        timed: of `timed_now`.
        machine: on which the older ones were taken where the entry does not say; by the same runtime, where it does
            not say by which.
    """
    before = [one.latency for one in evaluated_files(target)]
    trusted = all(latency is not None and latency.steady for latency in before)
    before_it = target.get("timed") or {}
    there = before_it.get("machine", machine)
    same = all(there.get(name) == timed["machine"].get(name) for name in MACHINE)
    same &= before_it.get("versions", timed["versions"]) == timed["versions"]
    if trusted and same and not all(latency.steady for latency in latencies.values()):
        return dict(target)
    precisions = {
        name: {**entry, "latency_ms": latency_entry(latencies[entry["file"]])}
        for name, entry in target["precisions"].items()
    }
    return {**target, "precisions": precisions, "not_timed": None, "timed": dict(timed)}


def _settings(latency: Latency) -> tuple[tuple[str, int], ...]:
    return ("batch", latency.batch), ("threads", latency.threads), ("streams", latency.streams)


def file_entry(evaluated: EvaluatedFile, size: int) -> dict[str, Any]:
    """Returns what the manifest says of a file; null stands for what could not be found out on this machine."""
    score = evaluated.quality
    return {
        "file": evaluated.file,
        "size_bytes": size,
        "accuracy": score and score.accuracy,
        "balanced_accuracy": score and score.balanced_accuracy,
        **({} if score is None or score.held_out is None else {HELD_OUT: score.held_out}),
        "agreement": score and score.agreement,
        "max_logit_difference": score and score.max_difference,
        "latency_ms": latency_entry(evaluated.latency),
    }
