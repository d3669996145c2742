"""The bench as a step: latencies of exported files on this machine, with what they were measured on."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.config import build, settings
from nastk.deploy.machine import machine_facts, versions
from nastk.deploy.manifest import MANIFEST, load_manifest
from nastk.errors import UserError
from nastk.files import write_json
from nastk.jobs.parts import run_config

SCHEMA = 1


@dataclass(frozen=True)
class BenchSettings:
    """What is measured.

    Attributes:
        batch: images at a time, one or several settings.
        threads: that compute together, one or several settings; 0 is all cores.
        runs: at least so many a file and repeat.
        seconds: and at least so long.
    """

    batch: tuple[int, ...] = (1,)
    threads: tuple[int, ...] = (1,)
    runs: int = 200
    seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("batch", "threads"):
            if not getattr(self, name):
                raise UserError(f"bench.{name}=[]: expected at least one number")


def run_bench(config: DictConfig) -> tuple[Path, list[dict[str, Any]]]:
    """Measures the exports of `config.run`, or the one in `config.model`.

    Files whose hash is not the manifest's are not opened.

    Returns:
        the path of bench.json, and its entries: key, file, precision, target, batch, threads, p50_ms, p90_ms, p99_ms,
        min_ms, runs, spread, steady.

    Raises:
        UserError: nothing is exported there yet, or a manifest or file is damaged.
    """
    wanted: BenchSettings = settings(BenchSettings, config.bench, "bench.")
    target = build(config.target, "target")
    if config.model is not None:
        place = Path(config.model)
        exports = [place]
    else:
        place, _ = run_config(config)
        exports = sorted(path.parent for path in place.glob(f"export/*/{MANIFEST}"))
    if not exports:
        raise UserError(f"{place}: has no export; python -m nastk.export run={place}")
    files = []
    for export in exports:
        manifest = load_manifest(export)
        files += [
            {"key": manifest["key"], "file": str(export / entry["file"]), "precision": precision}
            for precision, entry in manifest["precisions"].items()
            if entry["file"] in target.files
        ]
    entries = []
    for batch in wanted.batch:
        for threads in wanted.threads:
            setting = dataclasses.replace(target, batch=batch, threads=threads)
            paths = [Path(file["file"]) for file in files]
            print(f"bench: {len(paths)} files at batch {batch}, {threads or 'all'} threads", file=sys.stderr)
            measured = setting.measure(paths, runs=wanted.runs, seconds=wanted.seconds)
            for file, latency in zip(files, measured, strict=True):
                name = str(Path(file["file"]).relative_to(place))
                entries.append({**file, "file": name, "target": setting.name, **latency.to_dict()})
    path = place / "bench.json"
    write_json(path, {"schema": SCHEMA, "measurements": entries, "machine": machine_facts(), "versions": versions()})
    return path, entries


def as_text(entries: list[dict[str, Any]]) -> str:
    """Returns the measurements as a table."""
    lines = [f"{'file':<52} {'batch':>5} {'threads':>7} {'p50 ms':>9} {'p90 ms':>9} {'p99 ms':>9} {'runs':>6}  spread"]
    for entry in entries:
        name = "/".join(Path(entry["file"]).parts[-2:])
        lines.append(
            f"{name:<52} {entry['batch']:>5} {entry['threads'] or 'all':>7} {entry['p50_ms']:>9.4f} "
            f"{entry['p90_ms']:>9.4f} {entry['p99_ms']:>9.4f} {entry['runs']:>6}  {entry['spread']:.1%}"
            f"{'' if entry['steady'] else ' (over 5 %: the machine was busy)'}"
        )
    return "\n".join(lines)
