"""transfer/ranking.json: the networks that a transfer has trained, the most accurate on held-out images first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import write_json
from nastk.objective import NOT_TRUSTED, STEADY
from nastk.outside import as_object, read_json
from nastk.runs.failed import read_failures

SCHEMA = 1
RANKING = "ranking.json"
SHOWN_KEY = 8
HELD_OUT_BALANCED = "validation_balanced_accuracy"
# Written only where they are known, so that rankings without them are as they were.
OPTIONAL = (STEADY, "baseline", "seconds", "validation_loss", HELD_OUT_BALANCED)


@dataclass(frozen=True)
class Ranked:
    """A trained network.

    Attributes:
        key: of its genotype.
        validation_accuracy: on training images that were held out, 0 to 1; what the ranking is by usually.
        accuracy: on the test images, 0 to 1; for reading only.
        params: parameters.
        latency_ms: p50 of the untrained network on the target; None where it could not be measured.
        folder: relative to the run's.
        latency_steady: whether the latency can be trusted; None where nothing was measured.
        baseline: name of the known network that it is; None for one that the search found.
        seconds: that its training took; None where that is not told.
        validation_loss: cross-entropy on the same images, by which equally accurate ones are ranked; None where that is
            not told.
        validation_balanced_accuracy: on the same images, the mean over the classes, 0 to 1; what the ranking is by
            where the search maximized it, else None.
    """

    key: str
    validation_accuracy: float
    accuracy: float
    params: int
    latency_ms: float | None
    folder: str
    latency_steady: bool | None = None
    baseline: str | None = None
    seconds: float | None = None
    validation_loss: float | None = None
    validation_balanced_accuracy: float | None = None

    @property
    def held_out(self) -> float:
        """What the ranking is by, 0 to 1."""
        balanced = self.validation_balanced_accuracy
        return self.validation_accuracy if balanced is None else balanced

    @property
    def metric(self) -> str:
        """What `held_out` is, for a person to read."""
        return "accuracy" if self.validation_balanced_accuracy is None else "balanced accuracy"

    @property
    def told(self) -> str:
        """Its name for a person to read."""
        return f"baseline {self.baseline}" if self.baseline else f"searched network {self.key[:SHOWN_KEY]}"


def ranked(entries: Iterable[Ranked]) -> list[Ranked]:
    """Returns the entries, the most accurate on held-out images first, of equal ones the surest, then the smaller.

    Where the balanced accuracy is not known of all, none is ranked by it.
    """
    found = list(entries)
    if any(one.validation_balanced_accuracy is None for one in found):
        found = [replace(one, validation_balanced_accuracy=None) for one in found]
    return sorted(found, key=lambda one: (-one.held_out, _doubt(one), one.params, one.key))


def ahead(first: Ranked, second: Ranked) -> str:
    """Returns in a word why the first of two equally accurate networks is ranked before the second."""
    return "surer" if _doubt(first) < _doubt(second) else "smaller"


def _doubt(entry: Ranked) -> float:
    return math.inf if entry.validation_loss is None else entry.validation_loss


def write_ranking(run: Path, order: Sequence[Ranked]) -> None:
    """Writes transfer/ranking.json into a run folder, and what failed there; raises UserError where that cannot be."""
    networks = []
    for rank, entry in enumerate(order, start=1):
        shown = {name: value for name, value in asdict(entry).items() if name not in OPTIONAL or value is not None}
        networks.append({"rank": rank, **shown})
    failures = [{"key": key, "reason": reason} for key, reason in read_failures(run).items()]
    left_out = {"left_out": failures} if failures else {}
    write_json(run / "transfer" / RANKING, {"schema": SCHEMA, "networks": networks, **left_out})


def read_ranks(run: Path) -> dict[str, int]:
    """Returns the rank of each network by key, from 1; empty where there is no ranking. Raises UserError if damaged."""
    path = run / "transfer" / RANKING
    if not path.exists():
        return {}
    data: Any = read_json(path)
    try:
        if data["schema"] != SCHEMA:
            raise UserError(f"{path}: schema {data['schema']!r}, expected {SCHEMA}")
        return {str(entry["key"]): int(entry["rank"]) for entry in data["networks"]}
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: no networks with key and rank; damaged, transfer again to write it anew") from None


def read_ranking(run: Path) -> list[Ranked]:
    """Returns the networks of a ranking, the first in front; empty where there is none. Raises UserError if damaged."""
    ranks = read_ranks(run)
    path = run / "transfer" / RANKING
    names = [field.name for field in fields(Ranked)]
    try:
        entries = as_object(read_json(path), str(path))["networks"] if ranks else []
        found = [Ranked(**{name: entry[name] for name in names if name in entry}) for entry in entries]
        for one in found:
            float(one.validation_accuracy), float(one.params), float(one.latency_ms or 0), float(one.seconds or 0)
            float(one.validation_loss or 0), float(one.validation_balanced_accuracy or 0)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: a network without its numbers; damaged, transfer again to write it anew") from None
    return sorted(found, key=lambda one: ranks[one.key])


def ranking_table(order: Sequence[Ranked]) -> str:
    """Returns the ranking as fixed-width text; with baselines their names, and how long each was trained."""
    named = any(entry.baseline for entry in order)
    width = max((len(entry.baseline or "") for entry in order), default=0)
    judged = "balanced" if order and order[0].validation_balanced_accuracy is not None else "validation"
    lines = [f"rank  network     {judged:>10}    test  parameters  latency (ms)"]
    if named:
        lines[0] += f"  training (s)  {'baseline':<{width}}".rstrip()
    for rank, entry in enumerate(order, start=1):
        latency = "-" if entry.latency_ms is None else f"{entry.latency_ms:.3f}"
        doubt = NOT_TRUSTED if entry.latency_steady is False else ""
        seconds = "-" if entry.seconds is None else f"{entry.seconds:.1f}"
        told = f"  {seconds:>12}  {entry.baseline or '':<{width}}".rstrip() if named else ""
        lines.append(
            f"{rank:>4}  {entry.key[:10]}  {entry.held_out:>10.2%}  {entry.accuracy:>6.2%}"
            f"  {entry.params:>10,}  {latency:>12}{told}{doubt}"
        )
    return "\n".join(lines)


def standing(order: Sequence[Ranked], key: str) -> str:
    """Returns in words how a network stands among searched ones and baselines; "" where it is not ranked among both."""
    place = next((place for place, entry in enumerate(order, start=1) if entry.key == key), None)
    first = order[0] if order else None
    rival = next((entry for entry in order if first and (entry.baseline is None) != (first.baseline is None)), None)
    if place is None or first is None or rival is None:
        return ""
    own = order[place - 1]
    classes = "" if own.validation_balanced_accuracy is None else " in the mean over the classes"
    if place > 1:
        return (
            f"the {own.told} is {place} of {len(order)} by held-out images, of which it names "
            f"{own.held_out:.2%} right{classes}; first is the {first.told} with {first.held_out:.2%}"
        )
    if own.held_out == rival.held_out:
        return (
            f"the {own.told} is {ahead(own, rival)} than the {rival.told}, and both name {own.held_out:.2%} "
            f"of the held-out images right{classes}"
        )
    return (
        f"the {own.told} is better than the {rival.told} on held-out images, "
        f"{own.held_out:.2%} to {rival.held_out:.2%}{classes}"
    )


def ranked_entry(
    run: Path, folder: Path, metrics: Mapping[str, Any], cost: Mapping[str, float], balanced: bool = False
) -> Ranked:
    """Returns a trained network's entry from its metrics.json and cost, `balanced` to be ranked by balanced accuracy.

    Raises:
        UserError: a number is missing.
    """
    try:
        return Ranked(
            key=folder.name,
            validation_accuracy=float(metrics["validation_accuracy"]),
            accuracy=float(metrics["accuracy"]),
            params=int(metrics["params"]),
            latency_ms=cost.get("latency_ms"),
            folder=str(folder.relative_to(run)),
            latency_steady=bool(cost[STEADY]) if STEADY in cost else None,
            validation_loss=float(metrics["validation_loss"]) if "validation_loss" in metrics else None,
            validation_balanced_accuracy=(
                float(metrics[HELD_OUT_BALANCED]) if balanced and HELD_OUT_BALANCED in metrics else None
            ),
        )
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{folder / 'metrics.json'}: validation_accuracy, accuracy or params is missing or no number; damaged"
        ) from None
