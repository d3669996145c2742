"""Times exported networks once more, in turn, where a latency over its limit would decide which of them ships."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nastk.budget import LATENCY
from nastk.deploy.export.renewal import renewable
from nastk.deploy.export.timings import evaluated_files, timed_now
from nastk.deploy.manifest import load_manifest
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.jobs.bench_record import refresh_bench, taken_over
from nastk.runs.schema import Object
from nastk.runs.shipping import Exported


def timed_again(run: Path, again: Sequence[Exported], target: Target, seconds: float) -> set[str]:
    """Times the files of networks in turn and keeps what is quicker than before; returns the keys of which that counts.

    A machine that was busy for a moment makes a network slow, nothing makes it fast. Where the first of them cannot be
    timed under the conditions of its export, nothing is. Files that are not those of their manifests are not opened.

    Args:
        run: the folder of the run.
        again: the networks, with the latencies of before.
        target: that they were timed on, as it is set now.
        seconds: of timing a file.

    Raises:
        UserError: a file cannot be timed, or an export's folder not be written.
    """
    if target.cannot_run() is not None or target.cannot_time() is not None:
        return set()
    read = [(one, _comparable(run / "export" / one.key, one.file, target)) for one in again]
    mine = [(one, manifest) for one, manifest in read if manifest is not None]
    if not mine or mine[0][0] is not again[0]:
        return set()
    paths = [run / "export" / one.key / name for one, manifest in mine for name in _names(manifest, target)]
    at = timed_now(target)
    try:
        latencies = dict(zip(paths, target.measure(paths, seconds=seconds), strict=True))
    except MemoryError:
        batch = getattr(target, "batch", 1)
        raise UserError(f"target.batch={batch}: more than fits into memory; nothing was timed again") from None
    beside = f"timed again in turn with {len(mine) - 1} other{'s' * (len(mine) != 2)}"
    return {one.key for one, manifest in mine if _counted(run, one, manifest, target.name, latencies, at, beside)}


def _names(manifest: Object, target: Target) -> list[str]:
    return [name for name in target.files.values() if name in manifest["files"]]


def _comparable(folder: Path, file: str, target: Target) -> dict[str, Any] | None:
    """Returns an export's manifest; None where a time of `file` by the target, as it is set, could not be taken over.

    That is where files are not those of the manifest, or were timed as other batches or with other threads.
    """
    try:
        manifest = load_manifest(folder)
    except UserError as error:
        print(f"note: {error}; it was not timed again", file=sys.stderr)
        return None
    if manifest.get("target") != target.name or not renewable(manifest):
        return None
    stored = {one.file: one.latency for one in evaluated_files(manifest["targets"][target.name])}
    if file not in stored or set(stored) != set(_names(manifest, target)):
        return None
    alike = all(old is None or _asked(target, old) == (old.batch, old.threads) for old in stored.values())
    return manifest if alike else None


def _asked(target: Target, old: Latency) -> tuple[int, int]:
    """Returns batch and threads that a target will time with; how many all cores are is known only afterwards."""
    return getattr(target, "batch", old.batch), getattr(target, "threads", 0) or old.threads


def _counted(
    run: Path,
    one: Exported,
    manifest: dict[str, Any],
    target: str,
    latencies: Mapping[Path, Latency],
    at: Mapping[str, Any],
    beside: str,
) -> bool:
    """Takes newer latencies of a network over where they are quicker, and says so; returns whether the quicker counts.

    It does not where the newer ones were taken otherwise, or are quicker but not to be trusted.
    """
    folder, before, limit = run / "export" / one.key, one.costs.get(LATENCY), one.limits.get(LATENCY)
    new, old = latencies[folder / one.file], _stored(manifest, target, one.file)
    if before is None or limit is None or old is None or (old.batch, old.threads) != (new.batch, new.threads):
        return False
    quicker = new.p50_ms < before
    if quicker:
        renewed = taken_over(folder, manifest, target, latencies, at)
        refresh_bench(run, folder, renewed)
        old = _stored(renewed, target, one.file)
    counts = not quicker or (old is not None and old.p50_ms == new.p50_ms)
    print(
        f"ship: {one.key[:8]}: {one.file} took {before:.4g} ms of at most {limit:g}, {beside} {new.p50_ms:.4g} ms; "
        + ("the quicker counts" if counts else "that is not trustworthy, and the former counts"),
        file=sys.stderr,
    )
    return counts


def _stored(manifest: Object, target: str, file: str) -> Latency | None:
    return next((one.latency for one in evaluated_files(manifest["targets"][target]) if one.file == file), None)
