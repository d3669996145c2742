"""bench.json: the latencies of exported files, measured after the export on the machine that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nastk.errors import UserError
from nastk.files import write_json
from nastk.outside import as_object, shortened
from nastk.runs.schema import SCHEMA, Object, read_object

BENCH = "bench.json"  # of a run folder, or of the folder of an export


@dataclass(frozen=True)
class Bench:
    """What bench.json holds.

    Attributes:
        measurements: an object a file and condition: key, file, sha256, precision, target, batch, threads, p50_ms,
            p90_ms, p99_ms, min_ms, runs, spread, steady, doubt, streams, at. Those of before there was a sha256, a
            doubt, streams or a time lack it.
        machine: that they were taken on.
        versions: of what ran them, that of the target's runtime among them.
    """

    measurements: Sequence[Object]
    machine: Object
    versions: Object


def write_bench(folder: Path, bench: Bench) -> Path:
    """Writes bench.json into a folder and returns its path; raises UserError where it cannot be written."""
    path = folder / BENCH
    measurements = [dict(entry) for entry in bench.measurements]
    machine, versions = dict(bench.machine), dict(bench.versions)
    write_json(path, {"schema": SCHEMA, "measurements": measurements, "machine": machine, "versions": versions})
    return path


def read_bench(folder: Path) -> Bench | None:
    """Returns what a folder's bench.json holds, None where there is none; raises UserError where it is malformed."""
    path = folder / BENCH
    return read_bench_file(path) if path.exists() else None


def read_bench_file(path: Path) -> Bench:
    """Returns what a file that `write_bench` wrote holds; raises UserError where it is malformed."""
    data = read_object(path)
    entries = data.get("measurements")
    if entries is None and isinstance(data.get("kind"), str):
        raise UserError(f"{path}: is a {shortened(data['kind'])}, expected the record of a bench, {BENCH}")
    if not isinstance(entries, list):
        raise UserError(f"{path}: measurements {shortened(entries)}, expected a list")
    measurements = [as_object(entry, f"{path}: measurement {index}") for index, entry in enumerate(entries)]
    machine, versions = (as_object(data.get(name) or {}, f"{path}: {name}") for name in ("machine", "versions"))
    return Bench(measurements, machine, versions)
