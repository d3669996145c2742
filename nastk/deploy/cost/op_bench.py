"""Measures the table of operations that a space's networks are made of, on this machine."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray

from nastk.deploy.cost.cost import Conditions, static_cost
from nastk.deploy.cost.op_rows import Op, ops_of
from nastk.deploy.cost.op_timing import op_times
from nastk.deploy.cost.table import OpTable, timed_ops
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.runtimes.candidate_timing import QuickTiming, timing_of
from nastk.deploy.runtimes.latency import quick_times
from nastk.deploy.runtimes.machine import machine_facts, versions
from nastk.deploy.runtimes.session import open_session
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.processor import usable_cores
from nastk.stats.steadiness import mean_others, others_running

# Each network is timed in so many rounds over all of them; the quickest counts, for only disturbances differ.
ROUNDS = 3
# Draws in a row that bring no operation that was not met before, after which the space is taken to have no more.
BARREN = 25
MOST_DRAWS = 10
UNATTRIBUTED = 0.25


@dataclass(frozen=True)
class Written:
    """A network of a space: its float32 graph, the file that runs, and the image that it takes: C, H, W."""

    model: onnx.ModelProto
    file: bytes
    shape: tuple[int, int, int]


def writer(
    precision: str, kept: list[onnx.ModelProto], scheme: Scheme = X86
) -> Callable[[onnx.ModelProto], onnx.ModelProto]:
    """Returns what makes the graph of a precision of the float32 one, and keeps the latter in `kept`."""

    def write(model: onnx.ModelProto) -> onnx.ModelProto:
        kept.append(model)
        return quantized_model(model, assumed_ranges(model), scheme) if precision == "int8" else model

    return write


def written(genotype: Genotype, config: NetworkConfig, precision: str, scheme: Scheme = X86) -> Written:
    """Writes an untrained network in a precision; int8 as the scheme has it."""
    kept: list[onnx.ModelProto] = []
    own = config.of(genotype)
    file = static_cost(genotype, own, write=writer(precision, kept, scheme)).file
    return Written(kept[0], file, own.shape)


@dataclass
class _NetworkTimes:
    """The quickest that a network was over the rounds, whole and by operation.

    Attributes:
        ops: milliseconds of each operation's places, of the round that was quickest by their sum.
        latency: p50 in milliseconds.
        steady: whether any round's latency can be trusted.
        lost: share of the time that was of no known operation, a number a round.
    """

    ops: Mapping[Op, Sequence[float]] = field(default_factory=dict)
    latency: float = np.inf
    steady: bool = False
    lost: list[float] = field(default_factory=list)

    def add(self, ops: Mapping[Op, Sequence[float]], lost: float) -> None:
        if not self.ops or _total(ops) < _total(self.ops):
            self.ops = ops
        self.lost.append(lost)

    def add_whole(self, timing: QuickTiming) -> None:
        self.latency = min(self.latency, timing.p50_ms)
        self.steady |= timing.doubt is None


def measure_ops(
    draws: Iterable[Genotype],
    config: NetworkConfig,
    target: Conditions,
    networks: int = 40,
    tell: Callable[[str], None] = lambda line: None,
    scheme: Scheme = X86,
) -> OpTable:
    """Times the operations of random networks of a space where they are used.

    Args:
        draws: random genotypes, without end or at least ten times `networks`.
        config: depth, width and image.
        target: precision, threads, batch, and the seconds to time each network whole; half of them for its operations.
        networks: that are timed at least; one that has an operation not met before is timed beyond that number.
        tell: gets a line now and then.
        scheme: of int8.

    Raises:
        UserError: most of the time is of no known operation.
    """
    chosen = _chosen(draws, config, target.precision, networks, scheme)
    tell(f"{len(chosen)} networks with {len({op for one in chosen for op in ops_of(one.model)})} operations")
    timings = _timings(chosen, target, tell)
    _check_attributed(timings)
    base, rows = timed_ops([timing.ops for timing in timings], [timing.latency for timing in timings])
    return OpTable(
        precision=target.precision,
        threads=target.threads,
        batch=target.batch,
        rows=rows,
        base_ms=base,
        networks=len(chosen),
        device=machine_facts(),
        versions=versions(),
        date=time.strftime("%Y-%m-%d"),
        unsteady=sum(not timing.steady for timing in timings),
        float_stem=scheme.float_stem if target.precision == "int8" else 0,
    )


def _check_attributed(timings: Sequence[_NetworkTimes]) -> None:
    lost = np.mean([share for timing in timings for share in timing.lost])
    if lost > UNATTRIBUTED:
        raise UserError(f"bench ops=true: {lost:.0%} of the time is of no known operation; no table written")


def _timings(chosen: Sequence[Written], target: Conditions, tell: Callable[[str], None]) -> list[_NetworkTimes]:
    """Times all networks in turn, so that a change of the machine hits all alike."""
    timings = [_NetworkTimes() for _ in chosen]
    rng = np.random.default_rng(0)
    shapes = {one.shape for one in chosen}
    images = {shape: rng.standard_normal((target.batch, *shape), dtype=np.float32) for shape in sorted(shapes)}
    for turn in range(ROUNDS):
        for one, timing in zip(chosen, timings, strict=True):
            timing.add(*op_times(one.model, one.file, images[one.shape], target.threads, target.seconds / 2))
            timing.add_whole(_whole(one.file, images[one.shape], target))
        tell(f"round {turn + 1} of {ROUNDS}")
    return timings


def _whole(file: bytes, images: NDArray[np.float32], target: Conditions) -> QuickTiming:
    """Times a network whole, once: what else disturbs it there are the other rounds for."""
    session = open_session(file, target.threads)
    before = others_running()
    times = quick_times(functools.partial(session.run, None, {INPUT: images}), target.seconds)
    others = mean_others([before, others_running()])
    return timing_of(times, others, target.threads or usable_cores())


def _chosen(
    draws: Iterable[Genotype], config: NetworkConfig, precision: str, networks: int, scheme: Scheme
) -> list[Written]:
    """Returns networks that have, together, the operations of the space."""
    chosen: list[Written] = []
    known: set[Op] = set()
    keys: set[str] = set()
    barren = 0
    for count, genotype in enumerate(draws):
        if (len(chosen) >= networks and barren >= BARREN) or count >= MOST_DRAWS * networks:
            break
        if genotype.key in keys:
            barren += 1
            continue
        keys.add(genotype.key)
        one = written(genotype, config, precision, scheme)
        new = set(ops_of(one.model)) - known
        barren = 0 if new else barren + 1
        known |= new
        if new or len(chosen) < networks:
            chosen.append(one)
    return chosen


def _total(times: Mapping[Op, Sequence[float]]) -> float:
    return sum(sum(places) for places in times.values())
