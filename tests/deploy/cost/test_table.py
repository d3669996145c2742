"""Tests of the table of operations: what is measured, what it sums to, what it says of what it lacks."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from nastk.deploy.cost.correction import corrected_times
from nastk.deploy.cost.op_bench import measure_ops, written
from nastk.deploy.cost.op_rows import Op, named_ops, ops_of
from nastk.deploy.cost.op_timing import op_times
from nastk.deploy.cost.sources import TableLatency
from nastk.deploy.cost.table import OpTable, Timed, read_table, write_table
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.scheme import ARM, X86, Scheme
from nastk.deploy.targets import ArmTarget, CpuTarget
from nastk.errors import UserError
from nastk.networks import NetworkConfig
from nastk.spaces import NasBench201Space, NasnetSpace, random_genotype
from nastk.spaces.nasbench201 import from_arch_string

CONFIG = NetworkConfig(cells=1, filters=8, size=16)
ALL_OPS = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|"


def graph(precision: str = "fp32", scheme: Scheme = X86) -> tuple[onnx.ModelProto, bytes]:
    one = written(from_arch_string(ALL_OPS), CONFIG, precision, scheme)
    return one.model, one.file


@pytest.fixture(scope="module")
def table() -> OpTable:
    space, rng = NasBench201Space(), random.Random(0)
    draws = (random_genotype(space, rng) for _ in range(150))
    return measure_ops(draws, CONFIG, CpuTarget(seconds=0.02), networks=15)


def test_ops_say_window_channels_stride_and_shape():
    ops = dict(named_ops(graph()[0]))
    assert ops["stem_first_0"] == Op("Conv", "k3,3 s1,1 d1,1 p1,1,1,1 dense", inputs=((3, 16, 16),), output=(8, 16, 16))
    strided = [op for op in ops.values() if "s2,2" in op.window and op.kind == "Conv"]
    assert {op.output[1:] for op in strided} == {(8, 8), (4, 4)}
    assert any(op.kind == "Relu" and op.after == "Conv" for op in ops.values())
    assert str(ops["head_4"]) == "Gemm 32 > 10"


def test_int8_is_timed_in_the_form_that_the_target_ships():
    lint(onnx.load_from_string(graph("int8", ARM)[1]), ArmTarget())
    lint(onnx.load_from_string(graph("int8")[1]), CpuTarget())


@pytest.mark.parametrize(("precision", "scheme"), [("fp32", X86), ("int8", X86), ("int8", ARM)])
def test_the_profiler_gives_each_operation_its_time(precision: str, scheme: Scheme):
    model, file = graph(precision, scheme)
    images = np.zeros((1, 3, 16, 16), dtype=np.float32)
    times, lost = op_times(model, file, images, threads=1, seconds=0.05)
    assert set(times) == set(ops_of(model))
    assert {op: len(places) for op, places in times.items()} == dict(ops_of(model))
    assert lost < 0.3
    # A very small one may end in the microsecond that it began in.
    convolutions = [sum(places) for op, places in times.items() if op.kind == "Conv"]
    assert np.median(convolutions) > 0


def test_a_table_foretells_networks_that_it_has_not_timed(table: OpTable):
    light = written(from_arch_string("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"), CONFIG, "fp32")
    heavy = written(
        from_arch_string(
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
        ),
        CONFIG,
        "fp32",
    )
    assert 0 < table.latency(light.model) < table.latency(heavy.model)
    assert table.device["processor"]
    assert table.versions["onnxruntime"]


def test_operations_between_two_known_ones_are_interpolated_and_others_named(table: OpTable):
    def conv(channels: int) -> Op:
        return Op("Conv", "k1,1 s1,1 d1,1 p0,0,0,0 dense", ((channels, 8, 8),), (channels, 8, 8))

    rows = {conv(8): Timed(1.0, 1.0, 1), conv(16): Timed(4.0, 4.0, 1)}
    small = OpTable("fp32", 1, 1, rows, 0.0, 1, {"processor": "Cortex-A72"}, {}, "2026-11-21")
    assert 1.0 < small._row(conv(12)) < 4.0
    with pytest.raises(UserError, match=r"Cortex-A72: has no row for Conv k1,1 .* dense 24x8x8 > 24x8x8"):
        small._row(conv(24))


def test_a_space_with_operations_that_the_table_lacks_is_refused(table: OpTable):
    other = written(random_genotype(NasnetSpace(), random.Random(0)), CONFIG, "fp32")
    with pytest.raises(UserError, match="has no row for"):
        table.latency(other.model)


def test_a_file_gives_the_same_sums(table: OpTable, tmp_path: Path):
    path = tmp_path / "table.json"
    write_table(path, table)
    model, _ = graph()
    assert read_table(path).latency(model) == pytest.approx(table.latency(model))
    write_table(path, replace(table, unsteady=3, float_stem=X86.float_stem))
    assert (read_table(path).unsteady, read_table(path).float_stem) == (3, X86.float_stem)
    changed = json.loads(path.read_text())
    changed["rows"][0]["ms"] += 1
    path.write_text(json.dumps(changed))
    with pytest.raises(UserError, match="hash"):
        read_table(path)


def test_another_device_and_other_conditions_are_named(table: OpTable, tmp_path: Path):
    path = tmp_path / "table.json"
    write_table(path, table)
    with pytest.raises(UserError, match="is of .*, latency.device='Cortex' is asked for"):
        TableLatency(str(path), device="Cortex")
    with pytest.raises(UserError, match="precision=fp32, the target has precision=int8"):
        TableLatency(str(path)).costing(CpuTarget(precision="int8"))
    cost = TableLatency(str(path)).costing(CpuTarget()).cost(from_arch_string(ALL_OPS), CONFIG)
    assert cost["latency_ms"] == pytest.approx(table.latency(graph()[0]))
    assert cost["params"] > 0


def test_times_that_are_too_long_by_different_factors_are_corrected():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 5, (40, 8)).astype(float)
    truth = rng.uniform(0.01, 0.1, 8)
    latencies = 0.02 + counts @ truth
    base, times = corrected_times(counts[:30], truth * rng.uniform(1, 2, 8), latencies[:30])
    assert base + counts[30:] @ times == pytest.approx(latencies[30:], rel=0.02)
