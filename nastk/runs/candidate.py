"""A candidate as trials.jsonl, pareto.json and best.json hold it: number, key, genotype, metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nastk.checks import check_whole
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.outside import as_object, number_in, shortened


@dataclass(frozen=True)
class Candidate:
    """A candidate with what was measured of it.

    Attributes:
        number: the trial's, from 0.
        key: the genotype's canonical key.
        genotype: its cells.
        metrics: finite numbers by name; accuracy is 0 to 1, latency_ms is p50.
    """

    number: int
    key: str
    genotype: Genotype
    metrics: Mapping[str, float]


def read_candidate(data: Any, where: str) -> Candidate:
    """Reads a candidate from a file's content; raises UserError that begins with `where`."""
    data = as_object(data, where)
    number, key = check_whole(f"{where}: number", data.get("number")), data.get("key")
    if not isinstance(key, str) or not re.fullmatch(r"[\w-]{1,128}", key):
        raise UserError(f"{where}: key {shortened(key)}, expected letters and digits")
    try:
        genotype = Genotype.from_dict(data.get("genotype"))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    found = as_object(data.get("metrics"), f"{where}: metrics")
    metrics = {name: number_in(found, name, f"{where}: metrics") for name in found}
    if not 0 <= (metrics.get("accuracy") or 0) <= 1:
        raise UserError(f"{where}: metrics: accuracy {metrics['accuracy']:g}, expected 0 to 1")
    return Candidate(number, key, genotype, {name: value for name, value in metrics.items() if value is not None})
