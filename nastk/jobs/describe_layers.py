"""The table of a network's layers: output shape, parameters, MACs, and the share of the latency measured here."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from nastk.deploy.cost.call_times import CallTimes, call_times
from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.onnx.layer_rows import LayerRow, block_rows, layer_rows
from nastk.deploy.onnx.validate import MAX_BYTES
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.errors import UserError
from nastk.free_memory import GIGABYTE, free_memory
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.networks.parts import parts_of
from nastk.training.failure import TrainingError, memory_errors_named

SECONDS = 1.0
FLOAT_BYTES = 4
# The network, its ONNX graph, the file, what the runtime makes of it; and the maps that are alive at a time, at most.
COPIES, MAPS = 5, 8
SHARES = 1000  # a share is told in tenths of a percent


def layer_facts(genotype: Genotype, config: NetworkConfig, meta: nn.Module, every: bool, timed: bool) -> dict[str, Any]:
    """Returns the fields `layers` and `latency` of a description.

    Args:
        genotype, config: of the network, all sizes given, without auxiliary head.
        meta: it, on the meta device.
        every: a row for each layer, else for each block or cell.
        timed: measure the latency and give each row its share of it.
    """
    try:
        rows = layer_rows(meta, config) if every else block_rows(meta, config, parts_of(meta, genotype, config))
    except UnsupportedError as reason:
        return {"layers": [], "latency": None, "latency_left_out": f"its layers cannot be told apart ({reason})"}
    shares: Sequence[float | None] = [None] * len(rows)
    latency, why = _timed(genotype, config, rows) if timed else (None, "measure=false")
    if latency is not None:
        shares = _shares([sum(latency.milliseconds.get(call, 0.0) for call in row.calls) for row in rows])
    return {
        "layers": [_row(row, share) for row, share in zip(rows, shares, strict=True)],
        "latency": None if latency is None else _latency(latency),
        **({} if why is None else {"latency_left_out": why}),
    }


def _row(row: LayerRow, share: float | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "output": list(row.output),
        "params": row.params,
        "macs": row.macs,
        "share": share,
    }


def _timed(genotype: Genotype, config: NetworkConfig, rows: Sequence[LayerRow]) -> tuple[CallTimes | None, str | None]:
    """Returns the measured times, or why there are none."""
    weights = sum(row.params for row in rows) * FLOAT_BYTES
    need = COPIES * weights + MAPS * FLOAT_BYTES * max(math.prod(row.output) for row in rows)
    free = free_memory()
    if weights > MAX_BYTES:
        return None, f"{weights / GIGABYTE:,.1f} GB of weights, an ONNX file holds {MAX_BYTES / GIGABYTE:.1f} GB"
    if free is not None and need > free:
        return None, f"it would take {need / GIGABYTE:,.1f} GB of memory, {free / GIGABYTE:,.1f} GB are free"
    print("describe: measures the latency, measure=false leaves that out", file=sys.stderr)
    try:
        with memory_errors_named(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the weights are of no consequence, the caller's random numbers are
            network = build_network(genotype, config).eval()
            return call_times(network, config.shape, SECONDS), None
    except UnsupportedError as reason:
        return None, f"the ONNX file is not by the quick writer ({reason})"
    except (UserError, TrainingError) as error:
        return None, str(error)


def _latency(times: CallTimes) -> dict[str, Any]:
    return {
        "p50_ms": round(times.timing.p50_ms, 4),
        "doubt": times.timing.doubt,
        "batch": 1,
        "threads": 1,
        "precision": "fp32",
        "runs": times.runs,
        "runtime": f"ONNX Runtime {versions()['onnxruntime']}",
        "processor": machine_facts()["processor"],
        "date": time.strftime("%Y-%m-%d"),
    }


def _shares(milliseconds: Sequence[float]) -> list[float]:
    """Returns shares in thousandths that add up to 1: of what is cut off, the greatest parts are rounded up."""
    total = sum(milliseconds)
    exact = [SHARES * value / total for value in milliseconds]
    whole = [math.floor(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda index: whole[index] - exact[index])
    for index in order[: SHARES - sum(whole)]:
        whole[index] += 1
    return [value / SHARES for value in whole]


def layer_lines(facts: Mapping[str, Any]) -> list[str]:
    """Returns the table of a description for a person to read, with a line of totals and one of the measurement."""
    if not facts["layers"]:
        return [f"layers      not told: {facts['latency_left_out']}"]
    timed = facts["latency"] is not None
    head = ("layer", "block", "output", "parameters", "MACs", *["latency"] * timed)
    rows = [
        (
            *(row["name"], row["kind"], "x".join(map(str, row["output"])), f"{row['params']:,}", f"{row['macs']:,}"),
            *[f"{row['share']:.1%}" if timed else ""] * timed,
        )
        for row in facts["layers"]
    ]
    total = ("total", "", "", f"{facts['params']:,}", f"{facts['macs']:,}", *["100.0%"] * timed)
    widths = [max(map(len, column)) for column in zip(head, *rows, total, strict=True)]
    told = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows, total)
    ]
    return [*told, *_measured(facts)]


def _measured(facts: Mapping[str, Any]) -> list[str]:
    latency, why = facts["latency"], facts.get("latency_left_out")
    if latency is None:
        return [] if why == "measure=false" else [f"latency not measured: {why}"]
    lines = [
        f"latency {latency['p50_ms']:,.2f} ms (p50 of one image on one thread, fp32, {latency['runtime']}, "
        f"{latency['processor'] or 'unknown processor'}, {latency['date']}); shares by its profiler, "
        f"medians of {latency['runs']} runs"
    ]
    return lines + [f"warning: not trustworthy: {latency['doubt']}"] * (latency["doubt"] is not None)
