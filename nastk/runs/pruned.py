"""prune.json: how a trained network was narrowed to its limits, step by step; its hash says that it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nastk.checks import is_number
from nastk.errors import UserError
from nastk.runs.checksummed import read_checksummed, write_checksummed

PRUNE = "prune.json"
KIND = "pruning"


@dataclass(frozen=True)
class PruneStep:
    """One group of channels that became fewer.

    Attributes:
        group: of `nastk.genotype.narrowing.Group`.
        before, after: its size.
        cost_before, cost_after: of the whole network, by metric.
        lost: sum of the scores of all channels that are gone after this step.
        genotype: of the network after it, as JSON has it.
    """

    group: str
    before: float
    after: float
    cost_before: Mapping[str, float]
    cost_after: Mapping[str, float]
    lost: float
    genotype: Mapping[str, Any]


@dataclass(frozen=True)
class Pruning:
    """The content of prune.json.

    Attributes:
        of: key of the genotype that was narrowed, which is the search's candidate.
        asked: all that the steps depend on but for the clock: limits, target, and the hash of the trained weights.
        steps: taken so far, in their order.
        key: of the narrowed genotype; "" while steps are still to be taken.
        weights_sha256: of the narrowed network's first weights; "" as well.
        cost: of the narrowed network; empty as well.
    """

    of: str
    asked: Mapping[str, Any]
    steps: tuple[PruneStep, ...] = ()
    key: str = ""
    weights_sha256: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)


def write_pruning(folder: Path, record: Pruning) -> None:
    """Writes prune.json into a folder that exists; raises UserError where it cannot be written."""
    write_checksummed(folder / PRUNE, KIND, {**asdict(record), "steps": [asdict(step) for step in record.steps]})


def read_pruning(folder: Path) -> Pruning | None:
    """Returns the record of a folder, None where there is none; raises UserError where it is damaged."""
    path = folder / PRUNE
    if not path.exists():
        return None
    found = read_checksummed(path, KIND)
    try:
        steps = tuple(PruneStep(**step) for step in found["steps"])
        record = Pruning(**{name: found[name] for name in Pruning.__dataclass_fields__ if name != "steps"}, steps=steps)
        if _sound(record):
            return record
    except (AttributeError, KeyError, TypeError):
        pass
    raise UserError(f"{path}: expected the steps of a pruning, each with group, sizes, costs and genotype; damaged")


def read_prunings(run: Path) -> dict[str, Pruning]:
    """Returns the records of a run's narrowed networks by key; raises UserError where one is damaged."""
    found = {path.parent.name: read_pruning(path.parent) for path in sorted(run.glob(f"transfer/[!.]*/{PRUNE}"))}
    return {key: record for key, record in found.items() if record is not None}


def _sound(record: Pruning) -> bool:
    """Says whether every field is of its kind; raises AttributeError or TypeError where one is not."""
    texts = [record.of, record.key, record.weights_sha256, *(step.group for step in record.steps)]
    objects = [record.asked, record.cost, *(step.genotype for step in record.steps)]
    costs = [record.cost, *(cost for step in record.steps for cost in (step.cost_before, step.cost_after))]
    numbers = [value for cost in costs for value in cost.values()]
    numbers += [number for step in record.steps for number in (step.before, step.after, step.lost)]
    return (
        bool(record.of)
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(one, dict) for one in objects)
        and all(map(is_number, numbers))
    )
