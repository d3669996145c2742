"""Where a candidate's latency comes from in a search: measured on the target, or predicted for a device elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import onnx

from nastk.deploy.cost.conditions import check_conditions
from nastk.deploy.cost.cost import static_cost
from nastk.deploy.cost.learned import LearnedLatency, read_learned
from nastk.deploy.cost.op_bench import writer
from nastk.deploy.cost.provenance import Provenance
from nastk.deploy.cost.table import OpTable, read_table
from nastk.deploy.cost.workload import graph_terms
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

OP_RUNTIME = "onnxruntime"  # what times the operations of a table


class Costing(Protocol):
    """What says the cost of an untrained network; a target is one."""

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb."""
        ...


@dataclass(frozen=True)
class MeasuredLatency:
    """Candidates are run on the target."""

    def costing(self, target: Costing) -> Costing:
        """Returns the target."""
        return target

    def predicted(self, genotype: Genotype) -> float | None:
        """Nothing is known of a cell without running it."""
        return None


@dataclass(frozen=True)
class TableLatency:
    """Candidates cost the sum of their operations in a table that `python -m nastk.bench ops=true` has written.

    Attributes:
        path: of the table.
        device: a part of the name of the processor that the table must be of, or None for whatever it is of.

    Raises:
        UserError: no such table, a damaged one, or one of another device.
    """

    path: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        path = _given(self.path, "table", "python -m nastk.bench ops=true")
        table = read_table(path)
        _check_device(path, str(table.device["processor"]), self.device)
        object.__setattr__(self, "_table", table)

    def costing(self, target: Costing) -> Costing:
        """Returns what sums up; raises UserError where the table was taken under other conditions than the target's."""
        table: OpTable = self._table  # type: ignore[attr-defined]
        taken = {"precision": table.precision, "threads": table.threads, "batch": table.batch, "streams": 1}
        check_conditions(self.path, taken, target, "table")
        return _Summed(table)

    def predicted(self, genotype: Genotype) -> float | None:
        """Nothing is known of a cell without its network."""
        return None


@dataclass(frozen=True)
class PredictorLatency:
    """Candidates cost what a predictor that `python -m nastk.bench learn=PAIRS` or `few=10` has written says of them.

    Attributes:
        path: of the predictor.
        device: a part of the name of the device that it must be of, or None for whatever it is of.

    Raises:
        UserError: no such predictor, a damaged one, or one of another device.
    """

    path: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        path = _given(self.path, "predictor", "python -m nastk.bench learn=PAIRS or few=10")
        predictor = read_learned(path)
        _check_device(path, str(predictor.device["name"]), self.device)
        object.__setattr__(self, "_predictor", predictor)

    def costing(self, target: Costing) -> Costing:
        """Returns what predicts; size and memory are those of the target's precision.

        Raises:
            UserError: the predictor tells of other conditions than the target's.
        """
        predictor: LearnedLatency = self._predictor  # type: ignore[attr-defined]
        check_conditions(self.path, predictor.device, target, "predictor")
        return _Predicted(predictor, getattr(target, "precision", "fp32"))

    def predicted(self, genotype: Genotype) -> float | None:
        """Returns the milliseconds, None where the predictor reads graphs.

        Raises:
            UserError: the cell has an operation that the predictor has not met.
        """
        predictor: LearnedLatency = self._predictor  # type: ignore[attr-defined]
        return None if predictor.reads_graph else predictor.predict(genotype)


LatencySource = MeasuredLatency | TableLatency | PredictorLatency


def made_of(source: LatencySource) -> Provenance | None:
    """Returns what a table or predictor was made on; None where latencies are measured."""
    if isinstance(source, TableLatency):
        table: OpTable = source._table  # type: ignore[attr-defined]
        stem = table.float_stem if table.precision == "int8" else None
        ran = {name: version for name, version in table.versions.items() if name == OP_RUNTIME}
        return Provenance("table", Path(str(source.path)), table.device, ran, table.date, stem)
    if isinstance(source, PredictorLatency):
        predictor: LearnedLatency = source._predictor  # type: ignore[attr-defined]
        return Provenance("learned", Path(str(source.path)), predictor.device, predictor.versions, predictor.date)
    return None


@dataclass(frozen=True)
class _Summed:
    table: OpTable

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        kept: list[onnx.ModelProto] = []
        static = static_cost(genotype, config, write=writer(self.table.precision, kept))
        return static.with_latency(self.table.latency(kept[0]))


@dataclass(frozen=True)
class _Predicted:
    predictor: LearnedLatency
    precision: str

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        self.predictor.check_network(config, own=genotype.own_network)
        kept: list[onnx.ModelProto] = []
        predicted = None if self.predictor.reads_graph else self.predictor.predict(genotype)
        static = static_cost(genotype, config, write=writer(self.precision, kept))
        if predicted is None:
            predicted = self.predictor.predict(genotype, graph_terms(kept[0]))
        return static.with_latency(predicted)


def _given(path: str | None, what: str, maker: str) -> Path:
    if not path:
        raise UserError(f"latency.path: not given, expected the file of a {what} that {maker} has written")
    return Path(path)


def _check_device(path: Path, found: str, wanted: str | None) -> None:
    if wanted is not None and wanted.lower() not in found.lower():
        raise UserError(f"latency.path={str(path)!r}: is of {found!r}, latency.device={wanted!r} is asked for")
