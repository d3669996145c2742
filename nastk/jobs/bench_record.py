"""Keeps bench.json and the manifests of exports at one: a file has one latency under the same conditions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nastk.deploy.export.conclusions import recorded_budget
from nastk.deploy.export.renewal import Timed, card_note, renewable, renewed
from nastk.deploy.export.timings import MACHINE, evaluated_files
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.machine import machine_facts
from nastk.errors import UserError
from nastk.jobs.network_budget import network_budget
from nastk.runs.bench import BENCH, Bench, read_bench, write_bench
from nastk.runs.refit import to_export
from nastk.stats.steadiness import untrusted

FIELDS = ("p50_ms", "p90_ms", "p99_ms", "min_ms", "runs", "spread", "steady", "doubt")


def taken_over(
    export: Path, manifest: dict[str, Any], target: str, latencies: Mapping[Path, Latency], at: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns an export's manifest with newer latencies, written; says on stderr what has changed but for numbers.

    Args:
        export: the folder.
        manifest: of it.
        target: the name of the target that was timed.
        latencies: by the path of the file; those of other exports too.
        at: of `timed_now`.
    """
    mine = {path.name: latency for path, latency in latencies.items() if path.parent == export}
    if not mine or not renewable(manifest):
        return manifest
    run = export.resolve().parent.parent
    model = run / "transfer" / export.name
    budget = recorded_budget(manifest) or network_budget(model, run)
    new = renewed(export, manifest, {target: Timed(mine, at)}, budget, to_export(model))
    if new["recommended"] != manifest["recommended"]:
        print(f"bench: {new['key'][:8]}: ship {new['recommended']} now: {new['reason']}", file=sys.stderr)
    note = card_note(export, new)
    if note is not None:
        print(f"note: {note}", file=sys.stderr)
    for line in new["budget"]["broken"]:
        print(f"warning: {line}", file=sys.stderr)
    return new


def shown_entry(entry: dict[str, Any], manifest: Mapping[str, Any], measured: Latency) -> dict[str, Any]:
    """Returns an entry of bench.json as the manifest has it, where that keeps an older latency for this is in doubt."""
    kept = _latency_in(manifest, entry)
    if kept is None or all(getattr(kept, name) == getattr(measured, name) for name in FIELDS):
        return entry
    at = (manifest["targets"][entry["target"]].get("timed") or {}).get("at")
    why = measured.doubt or "the file beside it took its time unsteadily"
    print(
        f"bench: {entry['file']}: {measured.p50_ms:.4g} ms is {untrusted(why)}; "
        f"{kept.p50_ms:.4g} ms{f' of {at}' if at else ''} is kept",
        file=sys.stderr,
    )
    return _with(entry, kept, at)


def refresh_bench(run: Path, export: Path, manifest: Mapping[str, Any]) -> None:
    """Brings what a bench on this machine has measured of an export's files to what the export has timed now."""
    for place in (run, export):
        try:
            found, here = read_bench(place), machine_facts()
            if found is None or any(found.machine.get(name) != here[name] for name in MACHINE):
                continue
            entries = [_refreshed(dict(entry), place, export, manifest, found.versions) for entry in found.measurements]
        except (UserError, KeyError, TypeError, AttributeError, ValueError):
            print(f"note: {place / BENCH} is damaged; python -m nastk.bench writes it anew", file=sys.stderr)
            continue
        if entries != found.measurements:
            write_bench(place, Bench(entries, found.machine, found.versions))


def _refreshed(
    entry: dict[str, Any], place: Path, export: Path, manifest: Mapping[str, Any], versions: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns an entry with the manifest's latency, where that was taken by the same version of the runtime."""
    path = place / entry["file"]
    latency = _latency_in(manifest, entry) if path.parent == export else None
    timed = (manifest["targets"][entry["target"]].get("timed") or {}) if latency is not None else {}
    mine = timed.get("versions", {})
    if latency is None or any(versions.get(name, mine[name]) != mine[name] for name in mine):
        return entry
    at = timed.get("at")
    return {**_with(entry, latency, at), "sha256": manifest["files"][path.name]["sha256"]}


def _latency_in(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> Latency | None:
    """Returns the manifest's latency of the file of an entry, where it was taken under the entry's conditions."""
    target = manifest.get("targets", {}).get(entry["target"])
    if target is None or not renewable(manifest):
        return None
    name = Path(entry["file"]).name
    found = next((one.latency for one in evaluated_files(target) if one.file == name), None)
    conditions = (entry["batch"], entry["threads"], entry.get("streams", 1))
    alike = found is not None and (found.batch, found.threads, found.streams) == conditions
    return found if alike else None


def _with(entry: Mapping[str, Any], latency: Latency, at: str | None) -> dict[str, Any]:
    return {**entry, **{name: getattr(latency, name) for name in FIELDS}, "at": at}
