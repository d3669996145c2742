"""The list of networks to measure on a new device, as a file with its hash, and the answers beside it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nastk.budget import LATENCY
from nastk.checks import check_name, is_number
from nastk.deploy.cost.few import LEAST_SAMPLES
from nastk.deploy.cost.prior import Prior
from nastk.deploy.cost.term_table import TermTable
from nastk.deploy.cost.workload import GRAPH
from nastk.errors import UserError, shortened, unknown
from nastk.files import write_text
from nastk.genotype import Genotype
from nastk.genotype.usage import READINGS
from nastk.outside import read_json, read_text
from nastk.runs.checksummed import read_checksummed, write_checksummed

KIND = "list of networks to measure"
LIST, ANSWERS = "networks.json", "answers.csv"
NAME = "network"


@dataclass(frozen=True)
class FewList:
    """What is to be measured, and what is known before.

    Attributes:
        networks: genotypes by name; the file NAME.onnx beside the list is a network's.
        network: their depth, width and image, as `NetworkConfig.to_dict` has them.
        precision: of the files.
        priors: what the library of devices says, one a reading.
        measured: counts of the networks, of the same readings.
        library: names of the devices that were known.
    """

    networks: Mapping[str, Genotype]
    network: Mapping[str, Any]
    precision: str
    priors: Sequence[Prior]
    measured: Sequence[TermTable]
    library: Sequence[str]


def write_list(folder: Path, wanted: FewList) -> None:
    """Writes the list, and answers.csv with a line to be filled for every network."""
    readings = [
        {
            "reading": prior.reading,
            "terms": list(prior.terms),
            "mean": prior.mean.tolist(),
            "covariance": prior.covariance.tolist(),
            "scale": prior.scale.tolist(),
            "counts": table.counts.tolist(),
        }
        for prior, table in zip(wanted.priors, wanted.measured, strict=True)
    ]
    content = {
        "networks": {name: genotype.to_dict() for name, genotype in wanted.networks.items()},
        "network": dict(wanted.network),
        "precision": wanted.precision,
        "library": list(wanted.library),
        "readings": readings,
    }
    write_checksummed(folder / LIST, KIND, content)
    write_answers(folder / ANSWERS, dict.fromkeys(wanted.networks))


def write_answers(path: Path, latencies: Mapping[str, float | None]) -> None:
    """Writes a line for every network, its latency left empty where it is None."""
    lines = [f"{name},{'' if latency is None else repr(latency)}" for name, latency in latencies.items()]
    write_text(path, "\n".join([f"{NAME},{LATENCY}", *lines, ""]))


def is_of(path: Path, wanted: FewList) -> bool:
    """Returns whether a list in a file is of these networks in this precision; raises UserError as `read_list` does."""
    found = read_list(path)
    same = (dict(found.networks), found.precision, found.library) == (
        *(dict(wanted.networks), wanted.precision),
        list(wanted.library),
    )
    one, other = (json.dumps(dict(part.network), sort_keys=True) for part in (found, wanted))
    return same and one == other


def read_list(path: Path) -> FewList:
    """Reads what `write_list` wrote; raises UserError where the file is not that, or was changed."""
    content = read_checksummed(path, KIND)
    try:
        networks = {name: Genotype.from_dict(stored) for name, stored in content["networks"].items()}
        readings = [_reading(one, len(networks)) for one in content["readings"]]
        network, precision = dict(content["network"]), str(content["precision"])
        library = [str(name) for name in content["library"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path}: has not what a list has; python -m nastk.bench few=10 writes one") from None
    priors, measured = [prior for prior, _ in readings], [table for _, table in readings]
    return FewList(networks, network, precision, priors, measured, library)


def _reading(stored: Mapping[str, Any], networks: int) -> tuple[Prior, TermTable]:
    """Reads a reading's prior and counts; raises ValueError where these do not fit each other."""
    terms = tuple(str(term) for term in stored["terms"])
    size = 1 + len(terms)
    shapes = {"mean": (size,), "covariance": (size, size), "scale": (size,), "counts": (networks, size)}
    arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in shapes}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(name)
    reading = check_name("reading", stored["reading"], (*READINGS, GRAPH))
    counts = arrays.pop("counts")
    return Prior(reading, terms, **arrays), TermTable(reading, terms, counts)


def read_answers(path: Path, wanted: FewList) -> dict[str, float]:
    """Returns what `answers_so_far` does; raises UserError as it does, and where they are too few."""
    found = answers_so_far(path, wanted)
    if len(found) < LEAST_SAMPLES:
        raise UserError(
            f"{path}: {len(found)} of {len(wanted.networks)} networks have a latency_ms, "
            f"expected at least {LEAST_SAMPLES}"
        )
    return found


def answers_so_far(path: Path, wanted: FewList) -> dict[str, float]:
    """Returns the milliseconds by name of the network, in the list's order, without those left empty.

    Args:
        path: a CSV file with the columns network and latency_ms, or a JSON object of numbers by name.
        wanted: the list that is answered.

    Raises:
        UserError: an unknown network, one twice, or a latency that is no number above 0.
    """
    found: dict[str, float] = {}
    for name, value in _json_pairs(path) if path.suffix == ".json" else _csv_pairs(path):
        if name not in wanted.networks:
            raise unknown(f"network in {path}", name, wanted.networks)
        if name in found:
            raise UserError(f"{path}: {name} is there twice, expected one latency_ms of each network")
        if value is None:
            continue
        if not is_number(value) or value <= 0:
            raise UserError(f"{path}: {name} has latency_ms={shortened(value)}, expected milliseconds above 0")
        found[name] = float(value)
    return {name: found[name] for name in wanted.networks if name in found}


def _json_pairs(path: Path) -> list[tuple[str, Any]]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object, the milliseconds by name of the network")
    return list(content.items())


def _csv_pairs(path: Path) -> list[tuple[str, Any]]:
    rows = csv.DictReader(io.StringIO(read_text(path)))
    try:
        names, lines = list(rows.fieldnames or ()), list(rows)
    except csv.Error as error:
        raise UserError(f"{path}: no CSV ({error}), expected {NAME},{LATENCY} and a line of each network") from None
    if NAME not in names or LATENCY not in names:
        raise UserError(f"{path}: has the columns {shortened(', '.join(names))}, expected {NAME},{LATENCY}")
    pairs = []
    for row in lines:
        name, text = (row[NAME] or "").strip(), (row[LATENCY] or "").strip()
        if name or text:
            pairs.append((name, _value(text)))
    return pairs


def _value(text: str) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text
