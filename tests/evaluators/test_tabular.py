"""The tabular evaluator answers with the table's numbers, and says in one line what is wrong with a table."""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nastk.errors import UserError
from nastk.evaluators.tabular import TabularEvaluator
from nastk.genotype import Genotype
from nastk.spaces import NasBench201Space, NasnetSpace, from_arch_string, random_genotype

NAMES = np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"])
# Two operations an edge are enough for a whole table of a small space: 2^6 cells.
OPS = np.array(list(itertools.product((1, 3), repeat=6)), dtype=np.uint8)


def arrays() -> dict[str, Any]:
    count = len(OPS)
    return {
        "op_names": NAMES,
        "ops": OPS,
        "acc12_cifar10_valid": np.linspace(10, 84.5, count, dtype=np.float32),
        "acc200_cifar10_test_nats": np.linspace(10, 94, count, dtype=np.float32),
        "cost12_cifar10_s": np.linspace(50, 150, count, dtype=np.float32),
        "params_cifar10": np.arange(1000, 1000 + count, dtype=np.int32),
    }


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "nb201.npz"
    np.savez(path, **arrays())
    np.savez(tmp_path / "nb201_latency.npz", pixel3=np.linspace(1, 9, len(OPS), dtype=np.float32), short=np.ones(3))
    return path


def cell(ops: list[str]) -> Genotype:
    a, b, c, d, e, f = ops
    return from_arch_string(f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|")


def never(epoch: int, accuracy: float) -> None:
    raise AssertionError("a table has no epochs to report")


def test_every_row_is_found_by_its_cell_with_all_its_numbers(table: Path) -> None:
    evaluator = TabularEvaluator(str(table), latency="pixel3")
    values = arrays()
    latency = np.linspace(1, 9, len(OPS), dtype=np.float32)
    for row, ops in enumerate(OPS):
        genotype = cell([str(NAMES[op]) for op in ops])
        metrics = evaluator.evaluate(genotype, never)
        assert metrics == pytest.approx(
            {
                "accuracy": values["acc12_cifar10_valid"][row] / 100,
                "test_accuracy": values["acc200_cifar10_test_nats"][row] / 100,
                "simulated_seconds": values["cost12_cifar10_s"][row],
                "params": values["params_cifar10"][row],
                "latency_ms": latency[row],
            },
            rel=1e-6,
        )
        assert evaluator.cost(genotype) == {name: metrics[name] for name in ("params", "latency_ms")}


def test_what_is_not_asked_for_is_not_needed(table: Path) -> None:
    np.savez(table, **{name: arrays()[name] for name in ("op_names", "ops", "acc12_cifar10_valid")})
    evaluator = TabularEvaluator(str(table), test=None, cost=None, params=None)
    assert set(evaluator.evaluate(cell(["skip_connect"] * 6), never)) == {"accuracy"}
    assert evaluator.cost(cell(["skip_connect"] * 6)) == {}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.npz: missing, expected a table"):
        TabularEvaluator(str(tmp_path / "gone.npz"))


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_table_cut_short_is_named(table: Path, kept: float) -> None:
    data = table.read_bytes()
    table.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    with pytest.raises(UserError, match=r"nb201\.npz: cut short or not an \.npz file"):
        TabularEvaluator(str(table))


def test_a_damaged_byte_is_found(table: Path) -> None:
    data = bytearray(table.read_bytes())
    at = data.index(arrays()["acc12_cifar10_valid"].tobytes())
    data[at + 20] ^= 0xFF
    table.write_bytes(data)
    with pytest.raises(UserError, match="cut short or not"):
        TabularEvaluator(str(table))


def test_a_single_array_and_objects_are_no_table(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(UserError, match=r"one\.npy: a single array"):
        TabularEvaluator(str(tmp_path / "one.npy"))
    np.savez(tmp_path / "objects.npz", **(arrays() | {"op_names": np.array(list(NAMES), dtype=object)}))
    with pytest.raises(UserError, match=r"objects\.npz: .*plain arrays"):
        TabularEvaluator(str(tmp_path / "objects.npz"))


def test_a_missing_array_is_named_with_the_nearest(table: Path) -> None:
    with pytest.raises(UserError, match="unknown array in .*'acc12_cifar10_vald'; nearest is 'acc12_cifar10_valid'"):
        TabularEvaluator(str(table), valid="acc12_cifar10_vald")
    with pytest.raises(UserError, match="unknown array in .*nb201_latency.npz 'pixel4'; nearest is 'pixel3'"):
        TabularEvaluator(str(table), latency="pixel4")


def test_a_missing_row_is_named(table: Path) -> None:
    with pytest.raises(UserError, match=r"no row for \|none~0\|.*64 other cells"):
        TabularEvaluator(str(table)).evaluate(cell(["none"] * 6), never)


def test_another_number_of_rows_is_named(table: Path) -> None:
    with pytest.raises(UserError, match=r"short is float64 of shape \(3,\), expected 64 numbers"):
        TabularEvaluator(str(table), latency="short")
    np.savez(table, **(arrays() | {"cost12_cifar10_s": np.ones(63)}))
    with pytest.raises(UserError, match=r"cost12_cifar10_s is float64 of shape \(63,\), expected 64 numbers"):
        TabularEvaluator(str(table))


@pytest.mark.parametrize("ops", [np.ones((64, 5), int), np.ones((64, 6)), np.full((64, 6), 5), np.ones(64, int)])
def test_operations_of_another_form_are_named(table: Path, ops: Any) -> None:
    np.savez(table, **(arrays() | {"ops": ops}))
    with pytest.raises(UserError, match="ops "):
        TabularEvaluator(str(table))


def test_a_cell_of_another_space_is_refused(table: Path) -> None:
    with pytest.raises(UserError, match="skeleton 'nasnet', expected 'nasbench201'"):
        TabularEvaluator(str(table)).cost(random_genotype(NasnetSpace(), random.Random(0)))


def test_the_published_table_has_every_cell_and_its_best() -> None:
    if "NASTK_DATA" not in os.environ:
        pytest.skip("NASTK_DATA is not set: the published NAS-Bench-201 table is not there")
    path = Path(os.environ["NASTK_DATA"]) / "tables" / "nb201_cifar10.npz"
    evaluator = TabularEvaluator(str(path), latency="pixel3")
    assert len(evaluator.rows) == 5**6
    best = from_arch_string(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    )
    assert evaluator.evaluate(best, never)["test_accuracy"] == pytest.approx(0.9437, abs=5e-5)
    rng = random.Random(0)
    assert all(evaluator.cost(random_genotype(NasBench201Space(), rng))["latency_ms"] > 0 for _ in range(50))
