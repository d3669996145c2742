"""What a search wants: metrics to maximize and minimize, and limits that a candidate must meet before it is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from nastk.errors import UserError, unknown

Metrics = Mapping[str, float]
RAM_KB, FLASH_KB = "ram_kb", "flash_kb"  # of the int8 file of a microcontroller, in kilobytes of 1000 bytes
LIMITED = ("latency_ms", "params", "macs", "memory_mb", RAM_KB, FLASH_KB)
MICROCONTROLLER = "; target=microcontroller measures it"
ACCURACY, INT8_ACCURACY = "accuracy", "int8_accuracy"
BALANCED = "balanced_accuracy"  # mean over the classes of the share that is right of theirs
SCORE = "score"  # of a candidate that was not trained: what zero-cost proxies say of it, in units of their own
# Of a candidate whose latency was measured: 1, or 0 where the machine was busy with something else meanwhile.
STEADY = "latency_steady"
SCORE_SECONDS = "score_seconds"  # of a candidate that was judged without being trained
LOSS = "loss"  # cross-entropy on held-out images
TRAINED = (ACCURACY, BALANCED, INT8_ACCURACY, LOSS)
KNOWN_METRICS = (*TRAINED, SCORE, *LIMITED)
NOT_TRUSTED = " (not trustworthy: the machine was busy)"
BEST, AUTO = "best", "auto"
PRECISIONS = ("fp32", "fp16", "bf16", "int8", BEST, AUTO)
Row = TypeVar("Row")


@dataclass(frozen=True)
class Violation:
    """A limit that a candidate breaks.

    Attributes:
        amount: by how much, relative to the limit; over several broken limits, their sum.
        reason: one line for people.
    """

    amount: float
    reason: str


@dataclass(frozen=True)
class Objective:
    """Metrics to optimize and limits on the cost; each limit is checked on the untrained candidate.

    Attributes:
        maximize: metrics to maximize, in this order before `minimize`.
        minimize: metrics to minimize; with two metrics or more a search looks for the Pareto front.
        max_latency_ms: p50 on the target, in milliseconds.
        max_params: number of parameters.
        max_macs: multiply-accumulates of one image.
        max_memory_mb: peak activation memory of one image in float32, in megabytes.
        max_ram_kb: memory of the activations of a microcontroller's int8 file, in kilobytes.
        max_flash_kb: size of that file, in kilobytes.
        precision: that the latency and the size of a candidate are measured in; None: as the target says; "best": in
            each that may ship, of which the quickest counts; "auto": left to the search, as None until it has chosen.

    Raises:
        UserError: no metric, an unknown one, one named twice, or a limit that is not above 0.
    """

    maximize: tuple[str, ...] = ("accuracy",)
    minimize: tuple[str, ...] = ()
    max_latency_ms: float | None = None
    max_params: float | None = None
    max_macs: float | None = None
    max_memory_mb: float | None = None
    max_ram_kb: float | None = None
    max_flash_kb: float | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise UserError("objective: nothing to maximize or minimize, expected at least one metric")
        for name in self.names:
            if name not in KNOWN_METRICS:
                raise unknown("metric in objective", name, KNOWN_METRICS)
        if len(set(self.names)) != len(self.names):
            raise UserError(f"objective: {list(self.names)} names a metric twice")
        if self.precision not in (None, *PRECISIONS):
            raise unknown("precision in objective", str(self.precision), PRECISIONS)
        for name, limit in self.limits.items():
            if not limit > 0:
                raise UserError(f"objective.max_{name}={limit}: expected a number above 0")

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that are optimized, in the order of the study's values."""
        return (*self.maximize, *self.minimize)

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """Optuna's directions, one a metric."""
        return ["maximize" if name in self.maximize else "minimize" for name in self.names]

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by metric."""
        every = {name: getattr(self, f"max_{name}") for name in LIMITED}
        return {name: limit for name, limit in every.items() if limit is not None}

    def values(self, metrics: Metrics) -> list[float]:
        """Returns the study's values for a candidate's metrics.

        Raises:
            UserError: the evaluator or target does not report a metric that is optimized.
        """
        for name in self.names:
            if name not in metrics:
                raise unknown("metric for this evaluator and target: objective names", name, metrics)
        return [float(metrics[name]) for name in self.names]

    @property
    def balanced(self) -> bool:
        """Whether the balanced accuracy says which network is best, and not the accuracy."""
        return self.names[0] == BALANCED

    def best_first(self, metrics: Metrics) -> tuple[float, float]:
        """Returns what sorts trained candidates by the first metric, the best first and the surest of equal ones.

        Candidates without that metric, which another objective was for, are sorted by `quality`.
        """
        name, sign = self.names[0], -1.0 if self.maximize else 1.0
        return sign * metrics[name] if name in metrics else -quality(metrics), doubt(metrics)

    def violation(self, cost: Metrics) -> Violation | None:
        """Returns what breaks the limits, or None; raises UserError where a limited metric is not measured."""
        broken = []
        for name, limit in self.limits.items():
            if name not in cost:
                raise UserError(
                    f"objective.max_{name}={limit:g}: this evaluator and target do not measure {name}, "
                    f"they measure {', '.join(sorted(cost)) or 'no cost'}"
                    f"{MICROCONTROLLER if name in (RAM_KB, FLASH_KB) else ''}"
                )
            if cost[name] > limit:
                doubt = NOT_TRUSTED if name == "latency_ms" and cost.get(STEADY) == 0 else ""
                broken.append((cost[name] / limit - 1, f"{name} {cost[name]:.4g}{doubt} is over {limit:.4g}"))
        if not broken:
            return None
        return Violation(sum(amount for amount, _ in broken), ", ".join(reason for _, reason in broken))

    def front(self, rows: Sequence[tuple[Row, Metrics]]) -> list[Row]:
        """Returns the rows that no other dominates, the best in the first metric first, of equal ones the surest.

        With one metric to maximize and a measured latency, the front is over both: that is what a user chooses from.
        """
        names, signs = list(self.names), [-1.0] * len(self.maximize) + [1.0] * len(self.minimize)
        if len(names) == 1 and "latency_ms" not in names and all("latency_ms" in metrics for _, metrics in rows):
            names, signs = [*names, "latency_ms"], [*signs, 1.0]
        points = [[sign * metrics[name] for name, sign in zip(names, signs, strict=True)] for _, metrics in rows]
        order = sorted(range(len(rows)), key=lambda index: (points[index], doubt(rows[index][1])))
        kept: list[int] = []
        for index in order:
            if not any(all(a <= b for a, b in zip(points[other], points[index], strict=True)) for other in kept):
                kept.append(index)
        return [rows[index][0] for index in kept]


def quality(metrics: Metrics) -> float:
    """Returns what candidates are ranked by: the accuracy, or of those that were not trained the score.

    Raises:
        KeyError: it has neither.
    """
    return metrics[ACCURACY] if ACCURACY in metrics else metrics[SCORE]


def doubt(metrics: Metrics) -> float:
    """Returns what sorts equally good candidates, the surest first: the loss; infinity where none is told.

    With a few hundred held-out images many candidates name as many of them right, and their losses still differ.
    """
    return metrics.get(LOSS, math.inf)


def is_finite(metrics: Mapping[str, Any]) -> bool:
    """Says whether every number in `metrics` is finite."""
    return all(math.isfinite(value) for value in metrics.values() if isinstance(value, int | float))
