"""transfer/ranking.json: the networks that a transfer has trained, the most accurate on held-out images first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nastk.errors import UserError
from nastk.files import write_json
from nastk.objective import NOT_TRUSTED, STEADY
from nastk.outside import read_json

SCHEMA = 1
RANKING = "ranking.json"


@dataclass(frozen=True)
class Ranked:
    """A trained network.

    Attributes:
        key: of its genotype.
        validation_accuracy: on training images that were held out, 0 to 1; what the ranking is by.
        accuracy: on the test images, 0 to 1; for reading only.
        params: parameters.
        latency_ms: p50 of the untrained network on the target; None where it could not be measured.
        folder: relative to the run's.
        latency_steady: whether the latency can be trusted; None where nothing was measured.
    """

    key: str
    validation_accuracy: float
    accuracy: float
    params: int
    latency_ms: float | None
    folder: str
    latency_steady: bool | None = None


def ranked(entries: Iterable[Ranked]) -> list[Ranked]:
    """Returns the entries, the most accurate on held-out images first, of equal ones the smaller first."""
    return sorted(entries, key=lambda entry: (-entry.validation_accuracy, entry.params, entry.key))


def write_ranking(run: Path, order: Sequence[Ranked]) -> None:
    """Writes transfer/ranking.json into a run folder; raises UserError where it cannot be written."""
    networks = [
        {"rank": rank, **{name: value for name, value in asdict(entry).items() if name != STEADY or value is not None}}
        for rank, entry in enumerate(order, start=1)
    ]
    write_json(run / "transfer" / RANKING, {"schema": SCHEMA, "networks": networks})


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


def ranking_table(order: Sequence[Ranked]) -> str:
    """Returns the ranking as fixed-width text."""
    lines = ["rank  network     validation    test  parameters  latency (ms)"]
    for rank, entry in enumerate(order, start=1):
        latency = "-" if entry.latency_ms is None else f"{entry.latency_ms:.3f}"
        doubt = NOT_TRUSTED if entry.latency_steady is False else ""
        lines.append(
            f"{rank:>4}  {entry.key[:10]}  {entry.validation_accuracy:>10.2%}  {entry.accuracy:>6.2%}"
            f"  {entry.params:>10,}  {latency:>12}{doubt}"
        )
    return "\n".join(lines)


def ranked_entry(run: Path, folder: Path, metrics: Mapping[str, Any], cost: Mapping[str, float]) -> Ranked:
    """Returns a trained network's entry from its metrics.json and cost; raises UserError where a number is missing."""
    try:
        return Ranked(
            key=folder.name,
            validation_accuracy=float(metrics["validation_accuracy"]),
            accuracy=float(metrics["accuracy"]),
            params=int(metrics["params"]),
            latency_ms=cost.get("latency_ms"),
            folder=str(folder.relative_to(run)),
            latency_steady=bool(cost[STEADY]) if STEADY in cost else None,
        )
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{folder / 'metrics.json'}: validation_accuracy, accuracy or params is missing or no number; damaged"
        ) from None
