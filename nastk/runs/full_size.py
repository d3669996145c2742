"""full.json: what a candidate has become whose stages were grown one by one until nearly all of the limits is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nastk.checks import is_number
from nastk.errors import UserError
from nastk.runs.checksummed import read_checksummed, write_checksummed

FULL = "full.json"
SIZED = "sized"  # folder of a run, where networks are brought near the limits by two factors
KIND = "full size"


@dataclass(frozen=True)
class FullSize:
    """The content of full.json.

    Attributes:
        of: key of the genotype that was grown: a candidate of the search, or a baseline.
        factors: of depth and width by the names of the skeleton, that brought it near the limits before it was grown.
        asked: limits, target and image, as in shape.json.
        key: of the grown genotype.
        genotype: the grown one, as JSON has it.
        cost: what it was measured at, by metric.
    """

    of: str
    factors: Mapping[str, float]
    asked: Mapping[str, Any]
    key: str
    genotype: Mapping[str, Any]
    cost: Mapping[str, float]


def write_full_size(folder: Path, record: FullSize) -> None:
    """Writes full.json into a folder that exists; raises UserError where it cannot be written."""
    write_checksummed(folder / FULL, KIND, asdict(record))


def read_full_size(folder: Path) -> FullSize | None:
    """Returns the record of a folder, None where there is none; raises UserError where it is damaged."""
    path = folder / FULL
    if not path.exists():
        return None
    found = read_checksummed(path, KIND)
    try:
        record = FullSize(**{name: found[name] for name in FullSize.__dataclass_fields__})
        texts = all(isinstance(text, str) and text for text in (record.of, record.key))
        objects = all(isinstance(one, dict) for one in (record.asked, record.genotype, record.cost, record.factors))
        if texts and objects and all(map(is_number, (*record.cost.values(), *record.factors.values()))):
            return record
    except KeyError:
        pass
    raise UserError(f"{path}: expected of, factors, asked, key, genotype and cost of a network; damaged")


def place_of(run: Path, key: str) -> Path:
    """Returns the folder of a network's training: of what it has become where it was grown, else its own.

    Args:
        run: folder.
        key: of a candidate or a baseline.
    """
    record = read_full_size(run / SIZED / key)
    return run / "transfer" / (key if record is None else record.key)


def read_full_sizes(run: Path) -> dict[str, FullSize]:
    """Returns the records of a run's grown networks by key; raises UserError where one is damaged."""
    found = {path.parent.name: read_full_size(path.parent) for path in sorted(run.glob(f"transfer/[!.]*/{FULL}"))}
    return {key: record for key, record in found.items() if record is not None}
