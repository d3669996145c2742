"""Two bench records beside each other, file by file: of two versions of a runtime, two machines, or two days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nastk.checks import is_number, is_whole
from nastk.errors import UserError
from nastk.outside import shortened
from nastk.runs.bench import BENCH, Bench, read_bench_file
from nastk.runs.schema import Object

FASTER, SLOWER, ALIKE, DOUBTFUL = "faster", "slower", "within the spread", "in doubt"
VERDICTS = (FASTER, SLOWER, ALIKE, DOUBTFUL)
TEXTS, COUNTS = ("key", "file", "precision", "target"), ("batch", "threads")
MOST_MS, MOST_COUNT = 1e9, 10**6
Same = tuple[str, str, int, int, int]


@dataclass(frozen=True)
class FileChange:
    """A file's latency then and now.

    Attributes:
        key, file: of the network, and the file's own name.
        batch, threads, streams: that both were taken with.
        then_ms, now_ms: p50.
        ratio: now to then.
        spread: of both between their repeats, together, as a share: what the ratio has to differ from 1 by to count.
        verdict: one of `VERDICTS`; in doubt where one of the two cannot be trusted.
        same_file: whether it is the same file by its hash; None where one of the records has none.
    """

    key: str
    file: str
    batch: int
    threads: int
    streams: int
    then_ms: float
    now_ms: float
    ratio: float
    spread: float
    verdict: str
    same_file: bool | None


@dataclass(frozen=True)
class Comparison:
    """What two records say of the same files.

    Attributes:
        files: measured in both under the same conditions.
        differs: of versions, machine and time what is not the same: name, then, now; None where it is not told.
        only_then, only_now: files in one of the two alone, or under other conditions.
    """

    files: Sequence[FileChange]
    differs: Sequence[tuple[str, Any, Any]]
    only_then: Sequence[str]
    only_now: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON form."""
        differs = [{"name": name, "then": then, "now": now} for name, then, now in self.differs]
        files = [asdict(one) for one in self.files]
        return {"files": files, "differs": differs, "only_then": [*self.only_then], "only_now": [*self.only_now]}


def read_earlier(path: Path) -> Bench:
    """Reads a record to compare with: a bench.json, or a folder that holds one.

    Raises:
        UserError: there is none, it is no bench record, is cut short, or has an entry that cannot be.
    """
    path = path / BENCH if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"against={str(path)!r}: no such file, expected the {BENCH} of an earlier bench")
    found = read_bench_file(path)
    if not found.measurements:
        raise UserError(f"{path}: has no measurements, expected the {BENCH} of an earlier bench")
    for number, entry in enumerate(found.measurements):
        _check_entry(entry, f"{path}: measurement {number}")
    return found


def file_of(entry: Object) -> tuple[str, str]:
    """Returns whose file a measurement is of, and the file's own name."""
    return str(entry["key"]), Path(str(entry["file"])).name


def compared(then: Bench, now: Bench) -> Comparison:
    """Returns what changed from one record to another; of an entry that is there twice the last counts."""
    before, after = ({_same(entry): entry for entry in one.measurements} for one in (then, now))
    return Comparison(
        files=[_change(before[same], entry, same) for same, entry in after.items() if same in before],
        differs=list(_differences(then, now)),
        only_then=[_named(same) for same in before if same not in after],
        only_now=[_named(same) for same in after if same not in before],
    )


def _change(then: Object, now: Object, same: Same) -> FileChange:
    before, after = float(then["p50_ms"]), float(now["p50_ms"])
    spread = float(then["spread"]) + float(now["spread"])
    verdict = ALIKE
    if after > before * (1 + spread):
        verdict = SLOWER
    elif before > after * (1 + spread):
        verdict = FASTER
    if not (then["steady"] and now["steady"]):
        verdict = DOUBTFUL
    hashes = then.get("sha256"), now.get("sha256")
    same_file = None if None in hashes else hashes[0] == hashes[1]
    return FileChange(*same, before, after, round(after / before, 4), round(spread, 4), verdict, same_file)


def _differences(then: Bench, now: Bench) -> Iterator[tuple[str, Any, Any]]:
    records = (then.versions, now.versions), (then.machine, now.machine), (_common(then), _common(now))
    for before, after in records:
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                yield name, before.get(name), after.get(name)


def _common(record: Bench) -> dict[str, Any]:
    """Returns what is of all entries: the target, and when the last was taken."""
    targets = sorted({str(entry["target"]) for entry in record.measurements})
    times = [str(entry["at"]) for entry in record.measurements if entry.get("at")]
    return {"target": ", ".join(targets), "at": max(times, default=None)}


def _same(entry: Object) -> Same:
    return *file_of(entry), int(entry["batch"]), int(entry["threads"]), int(entry.get("streams", 1))


def _named(same: Same) -> str:
    key, file, batch, threads, streams = same
    more = f", {streams} streams" if streams != 1 else ""
    return f"{key[:8]}/{file} (batch {batch}, {threads} threads{more})"


def _check_entry(entry: Mapping[str, Any], where: str) -> None:
    """Raises UserError where a field is none that a bench has written."""
    fine = {name: isinstance(entry.get(name), str) for name in TEXTS}
    fine |= {name: is_whole(entry.get(name), 1, MOST_COUNT) for name in COUNTS}
    fine["streams"] = is_whole(entry.get("streams", 1), 1, MOST_COUNT)
    fine["p50_ms"] = is_number(p50 := entry.get("p50_ms")) and 0 < p50 < MOST_MS
    fine["spread"] = is_number(spread := entry.get("spread")) and 0 <= spread < MOST_MS
    fine["steady"] = isinstance(entry.get("steady"), bool)
    for name in ("sha256", "at"):
        fine[name] = entry.get(name) is None or isinstance(entry[name], str)
    for name, is_fine in fine.items():
        if not is_fine:
            raise UserError(f"{where}: {name} {shortened(entry.get(name))}, malformed")
