"""A table of operations timed once on a device: the latency of a network is the sum over its operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from nastk.deploy.cost.checksummed_file import read_measured
from nastk.deploy.cost.correction import LEAST_MS, corrected_times
from nastk.deploy.cost.op_rows import Op, named_ops, ops_of
from nastk.errors import UserError
from nastk.runs.checksummed import write_checksummed

KIND = "latency table"
FIELDS = ("precision", "threads", "batch", "rows", "base_ms", "networks", "device", "versions", "date")
LATER = ("unsteady", "float_stem")  # which tables of before lack
KINDS: Mapping[str, type] = {
    **{"precision": str, "threads": int, "batch": int, "rows": list, "networks": int, "versions": dict, "date": str}
}
ROW = ("kind", "window", "inputs", "output", "after", "ms", "profiled_ms", "places")


class Timed(NamedTuple):
    """An operation's time: in a network's sum, as the profiler had it on average, and in how many places that was."""

    ms: float
    profiled_ms: float
    places: int


@dataclass(frozen=True)
class OpTable:
    """Latencies of operations on one device, in one precision, for one number of threads and images.

    Attributes:
        precision, threads, batch: under which the operations were timed.
        rows: what is known of each operation.
        base_ms: what a network takes beside its operations.
        networks: that were timed.
        device: facts of the machine; `processor` at least.
        versions: of what ran.
        date: of the measurement.
        unsteady: networks of which no timing can be trusted, for the machine was busy with something else.
        float_stem: of the scheme that int8 files were written by, see `Scheme`; 0 in other tables and those of before.
    """

    precision: str
    threads: int
    batch: int
    rows: Mapping[Op, Timed]
    base_ms: float
    networks: int
    device: Mapping[str, Any]
    versions: Mapping[str, str]
    date: str
    unsteady: int = 0
    float_stem: int = 0
    _families: dict[tuple[object, ...], list[Op]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        families: dict[tuple[object, ...], list[Op]] = defaultdict(list)
        for op in self.rows:
            families[op.family].append(op)
        self._families.update(families)

    def latency(self, model: onnx.ModelProto) -> float:
        """Returns the milliseconds of a network, given as its float32 graph.

        Raises:
            UserError: an operation that was not timed, and lies between no two that were; names it.
        """
        return max(self.base_ms + sum(count * self._row(op) for op, count in ops_of(model).items()), LEAST_MS)

    def missing(self, model: onnx.ModelProto) -> list[Op]:
        """Returns the operations of a graph that have no row of their own."""
        return [op for op in dict.fromkeys(op for _, op in named_ops(model)) if op not in self.rows]

    def _row(self, op: Op) -> float:
        if op in self.rows:
            return self.rows[op].ms
        # The same operation after others, or on fewer and on more channels, which bound it from both sides.
        like: dict[int, list[float]] = defaultdict(list)
        for other in self._families.get(op.family, ()):
            like[other.work] += [self.rows[other].ms] * self.rows[other].places
        work = sorted(like)
        if not work or not work[0] <= op.work <= work[-1]:
            raise UserError(
                f"latency table of {self.device['processor']}: has no row for {op}; "
                "measure one for the space, the images and the size that are searched: python -m nastk.bench ops=true "
                "+space=NAME network.channels=C network.size=PIXELS and the sizes of the network"
            )
        return float(np.interp(op.work, work, [float(np.mean(like[one])) for one in work]))


def timed_ops(
    times: Sequence[Mapping[Op, Sequence[float]]], latencies: Sequence[float]
) -> tuple[float, dict[Op, Timed]]:
    """Returns base and rows of a table.

    Args:
        times: of every network, for each of its operations the milliseconds of every place.
        latencies: of the same networks whole.
    """
    every: dict[Op, list[float]] = defaultdict(list)
    for found in times:
        for op, milliseconds in found.items():
            every[op] += milliseconds
    counts = np.array([[float(len(found.get(op, ()))) for op in every] for found in times])
    profiled = np.array([float(np.mean(milliseconds)) for milliseconds in every.values()])
    base, corrected = corrected_times(counts, profiled, latencies)
    rows = zip(every, corrected, profiled, every.values(), strict=True)
    return base, {op: Timed(float(ms), float(raw), len(places)) for op, ms, raw, places in rows}


def write_table(path: Path, table: OpTable) -> None:
    """Writes the table as JSON with its hash."""
    content = {name: getattr(table, name) for name in (*FIELDS, *LATER) if name != "rows"}
    content["rows"] = [
        {**asdict(op), **timed._asdict()}
        for op, timed in sorted(table.rows.items(), key=lambda item: (str(item[0]), item[0].after))
    ]
    write_checksummed(path, KIND, content)


def read_table(path: Path) -> OpTable:
    """Reads what `write_table` wrote; raises UserError where the file is not that, or damaged."""
    content = read_measured(path, KIND, FIELDS, KINDS, "processor")
    try:
        rows = {
            Op(
                *(row["kind"], row["window"], tuple(map(tuple, row["inputs"])), tuple(row["output"]), row["after"])
            ): Timed(float(row["ms"]), float(row["profiled_ms"]), int(row["places"]))
            for row in content["rows"]
        }
        base = float(content["base_ms"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{path}: has a row without {', '.join(ROW)}; it is damaged, measure it anew") from None
    fields = {name: content[name] for name in FIELDS}
    later = {name: value for name in LATER if isinstance(value := content.get(name), int)}
    return OpTable(**{**fields, "rows": rows, "base_ms": base, **later})
