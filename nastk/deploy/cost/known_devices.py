"""The library of devices: what networks take on devices that were measured before, and on some that are thought up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from nastk.deploy.cost.learned import KIND as LEARNED
from nastk.deploy.cost.learned import read_learned
from nastk.deploy.cost.robust import Floats
from nastk.deploy.cost.table import KIND as TABLE
from nastk.deploy.cost.table import read_table
from nastk.deploy.cost.workload import COUNT, GIGA, MEGA, TRAFFIC, WORK, graph_terms, total
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.outside import read_json

Graph = Mapping[str, float]
# So many measured devices say better how devices differ than any that are thought up.
LEAST_KNOWN = 3
# Multiply-accumulates that a device does while it moves a byte: few on small cores, many on wide ones and in int8.
RATIOS = (2.0, 10.0, 50.0)


class KnownDevice(NamedTuple):
    """A device of which the latency of any network of a space is known.

    Attributes:
        name: for people.
        latency: returns the milliseconds of a genotype, given its float32 graph too; raises UserError where it has
            something that was not measured there.
    """

    name: str
    latency: Callable[[Genotype, onnx.ModelProto], float]


def read_known(path: Path, network: NetworkConfig) -> KnownDevice:
    """Reads a table of operations, or a predictor, as `python -m nastk.bench` writes them.

    Args:
        path: of the file.
        network: depth, width and image of the networks that it is to be asked for; a predictor refuses others than
            those that it was learned from.

    Raises:
        UserError: it is neither, or damaged.
    """
    content = read_json(path)
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind == TABLE:
        table = read_table(path)
        return KnownDevice(f"{table.device['processor']}, {table.precision}", lambda _, graph: table.latency(graph))
    if kind == LEARNED:
        predictor = read_learned(path)

        def latency(genotype: Genotype, graph: onnx.ModelProto) -> float:
            found = predictor.predict(genotype, graph_terms(graph))
            predictor.check_network(network.of(genotype), own=genotype.own_network)
            return found

        return KnownDevice(str(predictor.device["name"]), latency)
    raise UserError(f"library: {path} is a {kind!r}, expected a {TABLE!r} or a {LEARNED!r}")


def library_latencies(known: Sequence[Sequence[float]], graphs: Sequence[Graph]) -> Floats:
    """Returns the latencies of networks on the devices of a library, (devices, networks).

    Args:
        known: of each measured device those of the networks; where these are few, the analytic ones join them.
        graphs: of each network what `graph_terms` returns.
    """
    if len(known) >= LEAST_KNOWN:
        return np.array(known, dtype=np.float64)
    return np.array([*known, *analytic_latencies(graphs)], dtype=np.float64)


def analytic_latencies(graphs: Sequence[Graph]) -> Floats:
    """Returns the latencies of networks on devices that are thought up, (devices, networks), in units of their own.

    One does nothing but count operations, one waits for memory, one computes, and some do whichever of the two takes
    longer, kind by kind (Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
    architectures", CACM 52, 2009), each at another ratio between them.

    Args:
        graphs: of each network what `graph_terms` returns.
    """
    plain = [[total(graph, what) for graph in graphs] for what in (COUNT, TRAFFIC, WORK)]
    return np.array([*plain, *([_roofline(graph, ratio) for graph in graphs] for ratio in RATIOS)])


def _roofline(graph: Graph, ratio: float) -> float:
    """Returns the time of a graph in units of a megabyte moved."""
    kinds = {name.rpartition("/")[0] for name in graph}
    moved = {kind: graph.get(f"{kind}/{TRAFFIC}", 0.0) for kind in kinds}
    done = {kind: graph.get(f"{kind}/{WORK}", 0.0) * GIGA / MEGA / ratio for kind in kinds}
    return sum(max(moved[kind], done[kind]) for kind in kinds)
