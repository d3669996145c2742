"""The bench's `against=FILE`: which files are faster or slower than an earlier record has them, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nastk.console import one_line, visible
from nastk.deploy.runtimes.machine import RUNTIMES
from nastk.errors import UserError
from nastk.processor import usable_cores
from nastk.runs.bench import Bench
from nastk.runs.bench_compare import ALIKE, DOUBTFUL, FASTER, SLOWER, Comparison, FileChange, file_of

# Never the same twice; they are told, as is when it was measured, and explain a difference where they are far apart.
FLEETING = ("clock_mhz", "load", "temperature_c", "at")


def check_comparable(path: Path, earlier: Bench, files: Iterable[Mapping[str, Any]], targets: Iterable[Any]) -> None:
    """Raises UserError where nothing of what is to be measured is in an earlier record.

    Args:
        path: of the record.
        earlier: the record.
        files: to be measured: key and file.
        targets: that they are to be measured on, each at a batch and a number of threads.
    """
    wanted = {file_of(file) for file in files}
    there = [entry for entry in earlier.measurements if file_of(entry) in wanted]
    if not there:
        mine, theirs = (
            _listed(sorted({key[:8] for key, _ in one})) for one in (wanted, map(file_of, earlier.measurements))
        )
        raise UserError(f"against={str(path)!r}: is of other files: networks {theirs}, here are {mine}")
    known = {(entry["batch"], entry["threads"]) for entry in there}
    asked = {one for target in targets for one in _asked(target, known)}
    if not asked & known:
        batches, threads = (sorted({one[place] for one in known}) for place in (0, 1))
        raise UserError(
            f"against={str(path)!r}: has these files at batch and threads {sorted(known)}, asked for are "
            f"{sorted(asked)}; give bench.batch={_compact(batches)} bench.threads={_compact(threads)}"
        )


def _asked(target: Any, known: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the batch and threads of a target; all cores of another machine may be as many as the record has."""
    threads = getattr(target, "threads", 1)
    if threads == 0 and target.over_network:
        return [(target.batch, count) for _, count in known]
    return [(target.batch, threads or usable_cores())]


def as_text(path: Path, found: Comparison) -> str:
    """Returns the comparison as a table, with what differs below it."""
    head = f"{'file':<40} {'batch':>5} {'threads':>7} {'then ms':>9} {'now ms':>9} {'ratio':>6}"
    counts = Counter(one.verdict for one in found.files)
    told = ", ".join(f"{counts[name]} {name}" for name in (FASTER, SLOWER, ALIKE, DOUBTFUL) if counts[name])
    lines = [
        f"Against {path}:",
        head,
        *map(_row, found.files),
        f"{len(found.files)} files: {told}" if found.files else "No file was measured in both alike.",
    ]
    for name, alone in (("then", found.only_then), ("now", found.only_now)):
        lines += [f"only {name}: {', '.join(map(one_line, alone))}"] if alone else []
    return "\n".join([*lines, *_differences(found)])


def _row(one: FileChange) -> str:
    other = "  (another file by its hash)" if one.same_file is False else ""
    beyond = (
        f" by more than {one.spread:.1%}"
        if one.verdict in (FASTER, SLOWER)
        else f" {one.spread:.1%}" * (one.verdict == ALIKE)
    )
    return (
        f"{one_line(f'{one.key[:8]}/{one.file}'):<40} {one.batch:>5} {one.threads:>7} "
        f"{one.then_ms:>9.4f} {one.now_ms:>9.4f} {one.ratio:>6.2f}  {one.verdict}{beyond}{other}"
    )


def _differences(found: Comparison) -> Iterator[str]:
    said = [one for one in found.differs if one[0] not in FLEETING]
    if not said:
        yield "The conditions are the same: versions, processor, governor."
    for name, then, now in said:
        yield f"differs: {RUNTIMES.get(name) or one_line(name.replace('_', ' '))}: {_change(name, then, now)}"
    moments = [
        f"{name.replace('_', ' ')} {_told(then)}, now {_told(now)}"
        for name, then, now in found.differs
        if name in FLEETING
    ]
    if moments:
        yield f"at the time: {'; '.join(moments)}"


def _change(name: str, then: Any, now: Any) -> str:
    if name == "features" and isinstance(then, str) and isinstance(now, str):
        before, after = set(then.split()), set(now.split())
        return visible(
            " ".join([*(f"-{one}" for one in sorted(before - after)), *(f"+{one}" for one in sorted(after - before))])
        )
    return f"{_told(then)}, now {_told(now)}"


def _told(value: Any) -> str:
    return "not told" if value is None else one_line(value)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _compact(numbers: list[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"
