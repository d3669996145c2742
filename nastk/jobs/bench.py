"""The bench as a step: latencies of exported files on this machine, with what they were measured on."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.config.build import build, load_yaml, settings, shipped
from nastk.deploy.export.timings import timed_now
from nastk.deploy.manifest import MANIFEST, load_manifest
from nastk.deploy.runtimes.latency import LEAST_RUNS
from nastk.deploy.runtimes.machine import heat_warning, versions
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.jobs.bench_against import check_comparable
from nastk.jobs.bench_record import shown_entry, taken_over
from nastk.jobs.parts import run_config
from nastk.jobs.shipping import decided, decided_before
from nastk.progress import doing
from nastk.runs.bench import Bench, write_bench
from nastk.runs.bench_compare import Comparison, compared, read_earlier
from nastk.runs.folder import held
from nastk.runs.steps import timed_step
from nastk.stats.steadiness import untrusted

SCHEMA = 1
MOST_RUNS = 10**7


@dataclass(frozen=True)
class BenchSettings:
    """What is measured.

    Attributes:
        batch: images at a time, one or several settings.
        threads: that compute together, one or several settings; 0 is all cores.
        runs: at least so many of each file, over three repeats ...
        seconds: ... and for at least so long.
    """

    batch: tuple[int, ...] = (1,)
    threads: tuple[int, ...] = (1,)
    runs: int = 200
    seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("batch", "threads"):
            if not getattr(self, name):
                raise UserError(f"bench.{name}=[]: expected at least one number")
        if not LEAST_RUNS <= self.runs <= MOST_RUNS:
            raise UserError(f"bench.runs={self.runs}: expected at least {LEAST_RUNS}, at most {MOST_RUNS}")
        if not 0 <= self.seconds <= 3600:
            raise UserError(f"bench.seconds={self.seconds}: expected 0 to 3600")


@dataclass(frozen=True)
class Measured:
    """What a bench has found: bench.json, what it holds, and, where asked, how that compares to an earlier one."""

    path: Path
    record: Bench
    comparison: Comparison | None


def run_bench(config: DictConfig) -> Measured:
    """Measures the exports of `config.run`, or the one in `config.model`.

    Files whose hash is not the manifest's are not opened.

    What the export was timed under too, its manifest and model card show from now on.

    Raises:
        UserError: nothing is exported there yet, a manifest or file is damaged, another process holds the run, or
            `config.against` is no record of such files.
    """
    against = config.get("against")
    earlier = None if against is None else read_earlier(Path(against))
    node = config.get("target")
    if config.model is not None:
        place = Path(config.model)
        searched = place.resolve().parent.parent / "config.yaml"
        run = searched.parent if searched.is_file() else None
        node = node if node is not None or run is None else load_yaml(searched).get("target")
    else:
        place, settings_there = run_config(config)
        run = place
        node = node if node is not None else settings_there.get("target")
    with held(run) if run is not None else contextlib.nullcontext(), timed_step(run, "bench"):
        exports = [place]
        if config.model is None:
            exports = sorted(path.parent for path in place.glob(f"export/[!.]*/{MANIFEST}"))
        if not exports:
            raise UserError(f"{place}: has no export; python -m nastk.export run={place}")
        found = _measured(config, place, exports, node, earlier)
        if run is not None:
            _decide(run, config, node)
        return found


def _decide(run: Path, config: DictConfig, node: DictConfig | None) -> None:
    """Decides by the newest latencies which network ships, and says so where that, or why, is not what it was."""
    before = decided_before(run)
    now = decided(run, _target(config, node), float(config.bench.seconds))
    if now is None or (before is not None and before.same(now)):
        return
    if now.why:
        print(f"bench: {now.why}", file=sys.stderr)
    elif before is not None:
        print(
            f"bench: {now.networks[0].key[:8]} ships now, first on held-out images and within its limits",
            file=sys.stderr,
        )


def _measured(
    config: DictConfig, place: Path, exports: list[Path], node: DictConfig | None, earlier: Bench | None
) -> Measured:
    wanted, targets = bench_plan(config, node)
    manifests = {export: load_manifest(export) for export in exports}
    files = _files(place, manifests, targets[0])
    reason = targets[0].cannot_time()
    if reason is not None:
        raise UserError(f"nothing was measured: {reason}")
    if earlier is not None:
        check_comparable(Path(config.against), earlier, files, targets)
    absent = [
        name for name in targets[0].files.values() if not any(file["file"].endswith(f"/{name}") for file in files)
    ]
    if absent:
        print(f"note: not exported, so not timed: {', '.join(absent)}", file=sys.stderr)
    paths = [Path(file["file"]) for file in files]
    entries = []
    for target in targets:
        threads = f", {target.threads or 'all'} threads" if hasattr(target, "threads") else ""
        print(f"bench: {len(paths)} files at batch {target.batch}{threads}", file=sys.stderr)
        try:
            with doing(f"timing {len(paths)} files at batch {target.batch}{threads}"):
                measured = target.measure(paths, runs=wanted.runs, seconds=wanted.seconds)
        except MemoryError:
            raise UserError(f"bench.batch={target.batch}: more than fits into memory; nothing was written") from None
        at = timed_now(targets[0])
        latencies = dict(zip(paths, measured, strict=True))
        manifests = {export: taken_over(export, one, target.name, latencies, at) for export, one in manifests.items()}
        for file, latency in zip(files, measured, strict=True):
            where = {"file": str(Path(file["file"]).relative_to(place)), "target": target.name}
            entry = {**file, **where, **latency.to_dict(), "at": at["at"]}
            entries.append(shown_entry(entry, manifests[Path(file["file"]).parent], latency))
    there = targets[0].measured_on()
    hot = heat_warning(at["machine"])
    if hot is not None:
        print(f"warning: {hot}", file=sys.stderr)
    record = Bench(entries, at["machine"], {**versions(), **({} if there is None else there[1]), **at["versions"]})
    return Measured(write_bench(place, record), record, None if earlier is None else compared(earlier, record))


def _files(place: Path, manifests: Mapping[Path, dict[str, Any]], target: Target) -> list[dict[str, str]]:
    """Returns the files that are for the target; raises UserError where there are none."""
    files = [
        {"key": manifest["key"], "file": str(export / name), "sha256": manifest["files"][name]["sha256"]}
        | {"precision": precision}
        for export, manifest in manifests.items()
        for precision, name in target.files.items()
        if name in manifest["files"]
    ]
    if not files:
        expected = ", ".join(target.files.values())
        raise UserError(
            f"{place}: has no files for target {target.name} ({expected}); "
            f"python -m nastk.export run=... target={target.name}"
        )
    return files


def bench_plan(config: DictConfig, node: DictConfig | None = None) -> tuple[BenchSettings, list[Any]]:
    """Returns what is measured, and the target at each batch size and number of threads, every setting checked.

    Args:
        config: with `bench`, and `target` where there is no node.
        node: of the target; None for the configuration's, or else the CPU.
    """
    wanted: BenchSettings = settings(BenchSettings, config.bench, "bench.")
    target = _target(config, node)
    own = {field.name for field in dataclasses.fields(target)}
    grid = [{"batch": batch, "threads": threads} for batch in wanted.batch for threads in wanted.threads]
    # Not every target counts threads: a GPU does not.
    changes = [{name: value for name, value in point.items() if name in own} for point in grid]
    targets = [
        dataclasses.replace(target, **point) for place, point in enumerate(changes) if point not in changes[:place]
    ]
    return wanted, targets


def _target(config: DictConfig, node: DictConfig | None) -> Any:
    if node is None:
        node = config.get("target") or load_yaml(shipped("conf") / "target" / "cpu.yaml")
    return build(node, "target", Target)


def as_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """Returns the measurements as a table, streams among them where any has several."""
    several = any(entry.get("streams", 1) != 1 for entry in entries)
    head = f"{'file':<52} {'batch':>5} {'threads':>7}" + f" {'streams':>7}" * several
    lines = [f"{head} {'p50 ms':>9} {'p90 ms':>9} {'p99 ms':>9} {'runs':>6}  spread"]
    for entry in entries:
        doubt = "" if entry["steady"] else f"  ({untrusted(entry['doubt'])})"
        name = "/".join(Path(entry["file"]).parts[-2:])
        streams = f" {entry.get('streams', 1):>7}" * several
        lines.append(
            f"{name:<52} {entry['batch']:>5} {entry['threads'] or 'all':>7}{streams} {entry['p50_ms']:>9.4f} "
            f"{entry['p90_ms']:>9.4f} {entry['p99_ms']:>9.4f} {entry['runs']:>6}  {entry['spread']:.1%}{doubt}"
        )
    return "\n".join(lines)
