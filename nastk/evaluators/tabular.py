"""Answers from a table of networks that others have trained, in place of training: NAS-Bench-201."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nastk.errors import UserError, unknown
from nastk.evaluators import Evaluator, Report
from nastk.genotype import Genotype
from nastk.outside.npz import RefusedNpz, opened_npz
from nastk.spaces import to_arch_string

EDGES = ((0,), (0, 1), (0, 1, 2))  # the states that each node of a cell reads, in the order of the columns of `ops`
SECONDS = "simulated_seconds"


class TabularEvaluator(Evaluator):
    """Looks a cell up in a table of NAS-Bench-201: Dong, Yang, ICLR 2020.

    The table is an `.npz` file with `op_names` (the benchmark's operation names), `ops` (n, 6) (the operation on each
    edge, as an index into `op_names`) and arrays (n,) of results.

    Args:
        table: path of the file.
        valid: array of the validation accuracy in percent, which the search sees.
        test: array of the test accuracy in percent, or None.
        cost: array of the seconds that training for `valid` took, or None.
        params: array of the number of parameters, or None.
        latency: array of a second file, in milliseconds, or None: pixel3, raspi4, gold_6226, 1080ti_1, ...
        latency_table: path of that file; by default nb201_latency.npz beside the table.

    Raises:
        UserError: a file that is missing or cut short, an array that is missing or has another number of rows.
    """

    def __init__(
        self,
        table: str,
        valid: str = "acc12_cifar10_valid",
        test: str | None = "acc200_cifar10_test_nats",
        cost: str | None = "cost12_cifar10_s",
        params: str | None = "params_cifar10",
        latency: str | None = None,
        latency_table: str | None = None,
    ) -> None:
        self.path = Path(table)
        wanted = [name for name in (valid, test, cost, params) if name is not None]
        arrays = read_arrays(self.path, ["op_names", "ops", *wanted])
        self.rows = _rows(self.path, arrays["op_names"], arrays["ops"])
        for name in wanted:
            _check_rows(self.path, name, arrays[name], len(arrays["ops"]))
        # Each metric with its unit: what one unit of it is in the table.
        self._results = {"accuracy": arrays[valid] / 100.0}
        self._known_before: dict[str, Any] = {}
        if test is not None:
            self._results["test_accuracy"] = arrays[test] / 100.0
        if cost is not None:
            self._results[SECONDS] = arrays[cost]
        if params is not None:
            self._known_before["params"] = arrays[params]
        if latency is not None:
            path = Path(latency_table) if latency_table else self.path.with_name("nb201_latency.npz")
            measured = read_arrays(path, [latency])[latency]
            _check_rows(path, latency, measured, len(arrays["ops"]))
            self._known_before["latency_ms"] = measured

    def row(self, genotype: Genotype) -> int:
        """Returns the table's row of a cell.

        Raises:
            UserError: the table has none for it, or it is no cell of NAS-Bench-201.
        """
        text = to_arch_string(genotype)
        if text not in self.rows:
            raise UserError(f"{self.path}: no row for {text}, {len(self.rows)} other cells are there")
        return self.rows[text]

    def cost(self, genotype: Genotype) -> dict[str, float]:
        """Returns what is known before training: `params`, and `latency_ms` where a latency table was named."""
        row = self.row(genotype)
        return {name: float(values[row]) for name, values in self._known_before.items()}

    def evaluate(self, genotype: Genotype, report: Report) -> dict[str, float]:
        """Returns the row: accuracies 0 to 1, `simulated_seconds` of training, and what `cost` returns.

        Args:
            genotype: of skeleton nasbench201.
            report: never called; a table has results, not epochs.
        """
        row = self.row(genotype)
        return {name: float(values[row]) for name, values in self._results.items()} | self.cost(genotype)


def read_arrays(path: Path, names: list[str]) -> dict[str, Any]:
    """Reads arrays by name from an `.npz` file.

    Raises:
        UserError: the file is missing, cut short or of another kind, or lacks an array; names it.
    """
    if not path.exists():
        raise UserError(f"{path}: missing, expected a table; give evaluator.table=<path of the .npz file>")
    try:
        with opened_npz(path) as file:
            for name in names:
                if name not in file.names:
                    raise unknown(f"array in {path}", name, file.names)
            return file.arrays(names)
    except RefusedNpz as error:
        raise UserError(f"{path}: cut short or not an .npz file of plain arrays ({error})") from None


def _check_rows(path: Path, name: str, array: Any, rows: int) -> None:
    if array.shape != (rows,) or array.dtype.kind not in "fiu":
        raise UserError(f"{path}: {name} is {array.dtype} of shape {array.shape}, expected {rows} numbers, one a cell")
    if not np.isfinite(array).all():
        raise UserError(f"{path}: {name} has values that are no finite numbers, expected a number of each cell")


def _rows(path: Path, names: Any, ops: Any) -> dict[str, int]:
    columns = sum(map(len, EDGES))
    if ops.ndim != 2 or ops.shape[1] != columns or ops.dtype.kind not in "iu":
        raise UserError(f"{path}: ops is {ops.dtype} of shape {ops.shape}, expected whole numbers (cells, {columns})")
    if len(ops) and not 0 <= ops.min() <= ops.max() < len(names):
        raise UserError(f"{path}: ops has values {ops.min()} to {ops.max()}, expected 0 to {len(names) - 1}")
    rows = {}
    for index, row in enumerate(ops.tolist()):
        edges = iter(row)
        nodes = ("".join(f"{names[next(edges)]}~{state}|" for state in states) for states in EDGES)
        rows["+".join("|" + node for node in nodes)] = index
    return rows
