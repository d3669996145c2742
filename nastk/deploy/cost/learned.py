"""A predictor of latency learned from (cell, latency) pairs of any device and any space."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nastk.deploy.cost.checksummed_file import read_measured
from nastk.deploy.cost.robust import LEAST, Floats, fitted_costs, merit
from nastk.deploy.cost.workload import GRAPH
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.genotype.usage import LIVE, READINGS
from nastk.networks import NetworkConfig
from nastk.runs.checksummed import write_checksummed

KIND = "learned latency"
KINDS = {"skeleton": str, "reading": str, "pairs": int, "network": dict}
LEAST_PAIRS = 20
LATER = {"versions": dict, "date": str}  # which files of before lack
FIELDS = ("skeleton", "reading", "base_ms", "least_ms", "costs_ms", "pairs", "device", "network")


@dataclass(frozen=True)
class LearnedLatency:
    """A latency as a constant plus a cost for each operation that the device runs.

    Attributes:
        skeleton: of the genotypes.
        reading: which operations the device was found to run, a name in `usage.READINGS`, or "graph": the terms are
            those of `workload.graph_terms`.
        base_ms: of what is in every network.
        least_ms: no prediction is below it.
        costs_ms: of each term of `usage.term_counts`, summed over all places where a cell is repeated.
        pairs: that it was learned from.
        device: what they were measured on, as far as that is known; `name` at least.
        network: depth, width and image of the measured networks, as `NetworkConfig.to_dict` has them, {} if unknown.
        versions: of what ran them, by package, {} if unknown.
        date: on which it was learned; "" in files of before there was one.
    """

    skeleton: str
    reading: str
    base_ms: float
    least_ms: float
    costs_ms: Mapping[str, float]
    pairs: int
    device: Mapping[str, Any]
    network: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    date: str = ""

    @property
    def reads_graph(self) -> bool:
        """Whether its terms are those of a network's graph."""
        return self.reading == GRAPH

    def predict(self, genotype: Genotype, graph: Mapping[str, float] | None = None) -> float:
        """Returns the latency in milliseconds.

        Args:
            genotype: the network.
            graph: what `workload.graph_terms` says of its graph; needed where the predictor reads graphs.

        Raises:
            UserError: another skeleton, or an operation of which it has seen none.
        """
        if genotype.skeleton != self.skeleton and not self.reads_graph:
            raise UserError(f"latency: learned on {self.skeleton!r} cells, asked for one of {genotype.skeleton!r}")
        terms = graph if self.reads_graph else genotype.terms(self.reading)
        if terms is None:
            raise ValueError("a predictor that reads graphs needs one")
        return max(self.base_ms + sum(count * self._cost(term) for term, count in terms.items()), self.least_ms)

    def _cost(self, term: str) -> float:
        """Returns a term's cost; an operation met only where the output needs it costs the same elsewhere."""
        for known in (term, f"{term.partition(':')[0]}:{LIVE}"):
            if known in self.costs_ms:
                return self.costs_ms[known]
        raise unknown(f"operation for the latency predictor of {self.device['name']}", term, self.costs_ms)

    def check_network(self, config: NetworkConfig, own: Collection[str] = ()) -> None:
        """Raises UserError where networks of this size are not what it was learned from.

        Args:
            config: of the network.
            own: fields that the genotype chooses itself: its terms name them.
        """
        asked = config.complete(skeleton_named(self.skeleton)).to_dict()
        # Work is read off the graph, whatever the network's width and depth; another image size is another regime.
        sizes = () if self.reads_graph else ("stem", *skeleton_named(self.skeleton).names, "classes")
        for name in (*sizes, "channels", "size"):
            if name not in own and name in self.network and self.network[name] != asked.get(name):
                raise UserError(
                    f"latency: learned on networks of {name}={self.network[name]}, "
                    f"this search's have {name}={asked[name]}; measure pairs of that size and learn anew"
                )


def learn_latency(
    genotypes: Sequence[Genotype],
    latencies: Sequence[float],
    device: Mapping[str, Any],
    network: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
) -> LearnedLatency:
    """Learns from pairs; which operations the device leaves out is found by cross-validation.

    Args:
        genotypes: of one skeleton, at least 20.
        latencies: in milliseconds, above 0.
        device: facts, its `name` among them.
        network: of what size the networks were; None where that is not known.
        versions: of what ran them, by package; None where that is not known.

    Raises:
        UserError: too few pairs, several skeletons, or a latency that cannot be.
    """
    _check_pairs(genotypes, latencies)
    measured = np.asarray(latencies, dtype=np.float64)
    tables = {reading: _table(genotypes, reading) for reading in genotypes[0].readings}
    reading = max(tables, key=lambda name: merit(tables[name][1], measured))
    terms, counts = tables[reading]
    costs = fitted_costs(counts, measured)
    return LearnedLatency(
        genotypes[0].skeleton,
        reading,
        base_ms=float(costs[0]),
        least_ms=LEAST * float(np.median(measured)),
        costs_ms={term: float(cost) for term, cost in zip(terms, costs[1:], strict=True)},
        pairs=len(genotypes),
        device=dict(device),
        network=_completed(network, genotypes[0]) if network else {},
        versions=dict(versions or {}),
        date=time.strftime("%Y-%m-%d"),
    )


def _check_pairs(genotypes: Sequence[Genotype], latencies: Sequence[float]) -> None:
    if len(genotypes) != len(latencies):
        raise UserError(f"latency pairs: {len(genotypes)} cells, {len(latencies)} latencies, expected as many")
    if len(genotypes) < LEAST_PAIRS:
        raise UserError(f"latency pairs: {len(genotypes)}, expected at least {LEAST_PAIRS} to learn from")
    skeletons = sorted({genotype.skeleton for genotype in genotypes})
    if len(skeletons) > 1:
        raise UserError(f"latency pairs: cells of the skeletons {', '.join(skeletons)}, expected one")
    for latency in latencies:
        if not (math.isfinite(latency) and latency > 0):
            raise UserError(f"latency pairs: {latency!r} ms, expected a number above 0")


def _completed(network: Mapping[str, Any], genotype: Genotype) -> dict[str, Any]:
    """Returns the network's configuration with the sizes that were left to the skeleton."""
    return NetworkConfig.from_dict(network).complete(skeleton_named(genotype.skeleton)).to_dict()


def _table(genotypes: Sequence[Genotype], reading: str) -> tuple[list[str], Floats]:
    """Returns the terms, and the counts (networks, 1 + terms) with a column of ones before them."""
    rows = [genotype.terms(reading) for genotype in genotypes]
    terms = sorted({term for row in rows for term in row})
    return terms, np.array([[1.0, *(row.get(term, 0.0) for term in terms)] for row in rows])


def write_learned(path: Path, predictor: LearnedLatency) -> None:
    """Writes the predictor as JSON with its hash."""
    write_checksummed(path, KIND, {name: getattr(predictor, name) for name in (*FIELDS, *LATER)})


def read_learned(path: Path) -> LearnedLatency:
    """Reads what `write_learned` wrote; raises UserError where the file is not that, or damaged."""
    content = read_measured(path, KIND, FIELDS, KINDS, "name")
    if content["reading"] not in (*READINGS, GRAPH):
        raise unknown(f"reading in {path}", content["reading"], (*READINGS, GRAPH))
    costs = content["costs_ms"]
    numbers = [content["base_ms"], content["least_ms"], *(costs.values() if isinstance(costs, dict) else [None])]
    if not all(isinstance(number, int | float) for number in numbers):
        raise UserError(f"{path}: has costs that are no numbers, expected milliseconds")
    later = {name: content[name] for name, kind in LATER.items() if isinstance(content.get(name), kind)}
    return LearnedLatency(**{name: content[name] for name in FIELDS}, **later)
