"""The cost of a candidate as the file that would ship: the quickest of those that a target writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nastk.budget import LATENCY
from nastk.deploy.targets.target import Target
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.objective import BEST

MEASURED = ("fp32", "int8")
# Beside them where a target has such a file; float16 is timed on GPUs only, where a target measures nothing else.
FURTHER = ("bf16",)


@dataclass(frozen=True)
class Quickest:
    """Measures a candidate in each precision; what it costs is what the file with the least latency does.

    Attributes:
        targets: the same target in each precision, by its name.
    """

    targets: Mapping[str, Target]

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns the costs of the quickest file, and the latency of each, such as "latency_int8_ms"."""
        return self.begin_cost(genotype, config)()

    def begin_cost(self, genotype: Genotype, config: NetworkConfig) -> Callable[[], dict[str, float]]:
        """See `Target.begin_cost`."""
        begun = {name: target.begin_cost(genotype, config) for name, target in self.targets.items()}

        def cost() -> dict[str, float]:
            costs = {name: measured() for name, measured in begun.items()}
            least = min(costs.values(), key=lambda cost: cost[LATENCY])
            return {**least, **{f"latency_{name}_ms": cost[LATENCY] for name, cost in costs.items()}}

        return cost

    def end(self) -> None:
        """See `Target.end`."""
        for target in self.targets.values():
            target.end()

    @property
    def at_once(self) -> int:
        """See `Target.at_once`."""
        return min(target.at_once for target in self.targets.values())


def times_both(target: Target) -> bool:
    """Says whether a target's own files are the ONNX files in each precision, and is set to measure the first."""
    files = [target.files.get(name, "") for name in MEASURED]
    return getattr(target, "precision", None) == MEASURED[0] and all(file.endswith(".onnx") for file in files)


def quickest(target: Target, precisions: Sequence[str] = MEASURED) -> Quickest:
    """Returns what measures a target's files; raises UserError where it writes not all of them, or times one only."""
    if not hasattr(target, "precision") or not all(name in target.files for name in precisions):
        wanted, found = " and ".join(precisions), ", ".join(target.files)
        raise UserError(f"objective.precision={BEST}: target {target.name} writes {found}, expected {wanted}")
    measured = [*precisions, *(name for name in FURTHER if name in target.files)]
    return Quickest({name: dataclasses.replace(target, precision=name) for name in measured})  # type: ignore[type-var]
