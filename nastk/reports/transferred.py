"""How large each transferred network is and which limits it was sized to: network.json and shape.json beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nastk.errors import UserError
from nastk.genotype.skeleton import SKELETONS
from nastk.outside import number_in
from nastk.runs.full_size import read_full_size
from nastk.runs.schema import Object, read_object


@dataclass(frozen=True)
class Size:
    """Depth and width by the names of the skeleton, and the limits by cost ("latency_ms", "params", ...).

    `before` is the depth and width of a network before single stages of it were grown, empty where none were.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)


def read_size(folder: Path) -> Size:
    """Reads a transferred network's size from its folder; what is not there is None or empty.

    Raises:
        UserError: a file is malformed; names it and the field.
    """
    network, shape = folder / "network.json", folder / "shape.json"
    config = _part(read_object(network), "config", network) if network.exists() else {}
    limits = _part(read_object(shape), "limits", shape) if shape.exists() else {}
    found = {name.removeprefix("max_"): number_in(limits, name, str(shape)) for name in limits}
    names = dict.fromkeys(name for skeleton in SKELETONS.values() for name in skeleton.names)
    full = read_full_size(folder)
    return Size(
        {name: number for name in names if (number := number_in(config, name, str(network))) is not None},
        {} if full is None else full.factors,
        {name: limit for name, limit in found.items() if limit is not None},
    )


def _part(data: Object, name: str, path: Path) -> Object:
    part = data.get(name)
    if not isinstance(part, Mapping):
        raise UserError(f"{path}: {name} {part!r:.60}, expected an object")
    return part
