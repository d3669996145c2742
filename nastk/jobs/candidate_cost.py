"""What says how much an untrained candidate of a search costs: the evaluator, the target, or a prediction."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Iterator, Mapping

from nastk.deploy.cost.sources import Costing, LatencySource, MeasuredLatency, TableLatency
from nastk.deploy.runtimes.suspects import FileFailed
from nastk.deploy.targets import Target
from nastk.deploy.targets.quickest import Quickest
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed, Evaluator
from nastk.genotype import Genotype
from nastk.jobs.choices import check_choices
from nastk.jobs.search_parts import SearchParts
from nastk.networks import NetworkConfig
from nastk.spaces import Space, random_genotype
from nastk.study.ahead import CostModel
from nastk.study.measuring import CostsAtOnce, Measured
from nastk.training.failure import TrainingError, memory_errors_named


def candidate_cost(parts: SearchParts, evaluator: Evaluator) -> CostModel:
    """Returns what measures an untrained genotype: the evaluator where it knows the cost, else the target.

    With `latency=table` or `latency=learned` the latency is predicted.

    Raises:
        UserError: the latency of none of three random cells of the space can be predicted, or one of `check_choices`'s.
    """
    latency = parts.latency
    known = evaluator.cost
    if known is not None:
        return known if isinstance(latency, MeasuredLatency) else _with_latency(known, latency)
    network = evaluator.network_config
    if network is None:
        raise UserError(f"evaluator {type(evaluator).__name__}: tells neither the cost nor the network of a genotype")
    check_choices(parts.space, network)
    costing = parts.costing
    measured = isinstance(latency, MeasuredLatency)
    if measured:
        check_times(parts.target)
    else:
        _check_predicts(costing, parts.space, network)

    def cost(genotype: Genotype) -> Mapping[str, float]:
        with _failures_named(measured):
            return dict(costing.cost(genotype, network.of(genotype)))

    if isinstance(costing, Target | Quickest) and costing.at_once > 1:
        return CostsAtOnce(functools.partial(_begun, costing, network), costing.at_once, costing.end)
    return cost


def _begun(costing: Target | Quickest, network: NetworkConfig, genotype: Genotype) -> Measured:
    """Begins to measure a candidate, see `Target.begin_cost`."""
    with _failures_named(measured=True):
        measure = costing.begin_cost(genotype, network.of(genotype))

    def measured() -> Mapping[str, float]:
        with _failures_named(measured=True):
            return measure()

    return measured


@contextlib.contextmanager
def _failures_named(measured: bool) -> Iterator[None]:
    """Tells what concerns one candidate from what ends the search."""
    try:
        with memory_errors_named():
            yield
    except TrainingError as error:
        raise EvaluationFailed(error.reason) from None
    except UserError as error:
        if measured and not isinstance(error, FileFailed):
            raise
        raise EvaluationFailed(str(error)) from None  # of others enough may be known, or they can be run


def check_times(target: Target | None) -> None:
    """Raises UserError where candidates cannot be measured, before a run folder is made."""
    assert target is not None  # `costing` has it
    target.check()
    reason = target.cannot_time()
    if reason is not None:
        raise UserError(f"{reason}; target=remote measures on a device, latency=table predicts from its operations")


def _with_latency(known: CostModel, latency: LatencySource) -> CostModel:
    """Returns the evaluator's cost with a predicted latency in place of its own."""
    if isinstance(latency, TableLatency):
        raise UserError("latency=table: this evaluator knows cells and no networks to sum up; give latency=learned")

    def cost(genotype: Genotype) -> Mapping[str, float]:
        milliseconds = latency.predicted(genotype)
        return {**known(genotype), **({} if milliseconds is None else {"latency_ms": milliseconds})}

    return cost


def _check_predicts(costing: Costing, space: Space, network: NetworkConfig) -> None:
    """Raises UserError where a table or predictor is of another space, before anything is trained."""
    rng = random.Random(0)
    failed: list[UserError] = []
    for _ in range(3):
        try:
            genotype = random_genotype(space, rng)
            costing.cost(genotype, network.of(genotype))
        except UserError as error:
            failed.append(error)
    if len(failed) == 3:
        raise failed[-1]
