"""What a search tells before it trains: pixels, steps, memory, time; and at its end, where a result is in doubt."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

from omegaconf import DictConfig

from nastk.errors import UserError
from nastk.evaluators import Evaluator
from nastk.evaluators.supernet import SupernetEvaluator
from nastk.evaluators.training import TrainingEvaluator
from nastk.executors import Executor
from nastk.free_memory import GIGABYTE
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.jobs.at_budget import BudgetFit
from nastk.jobs.candidate_input import free_bytes, largest_genotype
from nastk.networks import NetworkConfig
from nastk.objective import STEADY
from nastk.runs.trials import Row
from nastk.spaces import Space
from nastk.stats.chance import best_guess
from nastk.training.failure import TrainingError
from nastk.training.step_memory import step_bytes

# Scoring an image takes about a third of training on it: there is no backward pass.
SCORING = 1 / 3


def typical_candidate(config: DictConfig, space: Space, fit: BudgetFit | None) -> Genotype:
    """Returns a candidate such as the search will train, brought to the limits where all are.

    It is random, but for maps that are as large as they may be: time and memory are to suffice.
    """
    genotype = largest_genotype(space, random.Random(config.seed))
    return genotype if fit is None else fit.fitted(genotype)


def check_memory(executor: Executor, candidate: Genotype) -> None:
    """Raises UserError where a step of a candidate, side by side with as many as there are, takes more than is free."""
    evaluator = executor.evaluator
    if not isinstance(evaluator, TrainingEvaluator):
        return
    needed, free = _needed(executor, evaluator, candidate), free_bytes(evaluator.device)
    if free is not None and needed > free:
        raise UserError(_no_memory(evaluator, executor.parallel, needed, free))


def tell_outlook(executor: Executor, candidate: Genotype, trials: int) -> None:
    """Prints on stderr what the search will take, from a timed first step; nothing where nothing is left to train.

    Args:
        executor: that will train.
        candidate: is timed.
        trials: that are left.

    Raises:
        UserError: the step ran out of memory.
    """
    evaluator = executor.evaluator
    if trials < 1 or not isinstance(evaluator, TrainingEvaluator):
        return
    network, parallel, free = evaluator.network_config, executor.parallel, free_bytes(evaluator.device)
    images, held = evaluator.images, sum(evaluator.validated_on)
    steps = evaluator.epochs * (images // evaluator.batch)
    said = [
        f"{images:,} images of {network.classes} classes to train on, {held:,} to score on",
        f"{network.width}x{network.height} pixels, {_network_told(network, candidate)}",
        f"batch {evaluator.batch}, {evaluator.epochs} epochs of {images // evaluator.batch} steps",
    ]
    try:
        cost = evaluator.first_step(candidate, threads=None if parallel == 1 else 1)
    except TrainingError as error:
        raise UserError(
            f"search: a first step with batch={evaluator.batch}: {error.reason}; {_smaller(evaluator)}"
        ) from None
    scored = evaluator.epochs * held / evaluator.batch * SCORING
    seconds = cost.seconds * (steps + scored)
    needed = max(_needed(executor, evaluator, candidate), cost.bytes * parallel)
    memory = f"about {needed / GIGABYTE:.2g} GB" + (f" of {free / GIGABYTE:.3g} GB free" if free is not None else "")
    side = f", {parallel} at once" if parallel > 1 else ""
    said += [
        f"{cost.device}{side}, {memory}",
        f"about {_told(seconds)} a candidate, {_told(seconds * -(-trials // parallel))} for {trials}",
    ]
    print(f"search: {'; '.join(said)}", file=sys.stderr, flush=True)


def _network_told(network: NetworkConfig, candidate: Genotype) -> str:
    """Returns the stem of networks of cells, the sizes of others."""
    skeleton = skeleton_named(candidate.skeleton)
    if "stem" in candidate.own_network:
        return "each candidate's own stem"
    return f"stem {network.stem}" if skeleton.cells else skeleton.told(network.sizes)


def _needed(executor: Executor, evaluator: TrainingEvaluator, candidate: Genotype) -> int:
    return step_bytes(candidate, evaluator.network_config.of(candidate), evaluator.batch) * executor.parallel


def guessed(evaluator: Evaluator, rows: Sequence[Row], best: Row) -> str | None:
    """Returns what to say where no trained candidate is better than guessing, None where one is.

    Args:
        evaluator: that scored them.
        rows: of the search.
        best: the one that would be called the best.
    """
    if not isinstance(evaluator, TrainingEvaluator | SupernetEvaluator):
        return None
    trained = [row for row in rows if row.state == "complete" and "accuracy" in row.metrics]
    accuracy = max((row.metrics["accuracy"] for row in trained), default=1.0)
    counts = evaluator.validated_on
    bound = best_guess(counts, len(trained))
    if accuracy > bound:
        return None
    return (
        f"none is better than guessing: the best accuracy is {accuracy:.3g} (trial {best.number}), and with "
        f"{sum(counts)} validation images in {len(counts)} classes guesses reach {bound:.3g}. Train longer "
        f"in another run= (evaluator.epochs={4 * evaluator.epochs}, now {evaluator.epochs}), give more images, and see "
        "whether they lie in the right classes"
    )


def doubtful_timings(rows: Sequence[Row]) -> list[str]:
    """Returns a line where candidates were timed while the machine was busy with something else, else none."""
    measured = [row for row in rows if STEADY in row.metrics and row.state != "duplicate"]
    doubtful = [row for row in measured if row.metrics[STEADY] == 0]
    if not doubtful:
        return []
    rejected = sum(row.state == "rejected" for row in doubtful)
    among = f"; {rejected} of these were rejected" if rejected else ""
    return [
        f"the latencies of {len(doubtful)} of {len(measured)} candidates are not trustworthy, the machine was busy "
        f"with something else{among}: search on a machine that does nothing else, or with latency=table"
    ]


def _no_memory(evaluator: TrainingEvaluator, parallel: int, needed: int, free: int) -> str:
    side = f" with executor.parallel={parallel}" if parallel > 1 else ""
    return (
        f"search: a step of {evaluator.batch} images of {evaluator.data.size}x{evaluator.data.size} pixels takes "
        f"about {needed / GIGABYTE:.3g} GB{side}, {free / GIGABYTE:.3g} GB are free; {_smaller(evaluator)}"
    )


def _smaller(evaluator: TrainingEvaluator) -> str:
    size = evaluator.data.size
    pixels = f", data.resize={max(size // 2, 8)} (now {size})" if size > 16 else ""
    return f"give evaluator.batch={max(evaluator.batch // 2, 2)}{pixels}, or a stem with a stride"


def _told(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
