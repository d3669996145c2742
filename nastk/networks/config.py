"""What a network is beside its genotype: how deep and wide it is, and what goes in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nastk.errors import UserError, unknown

SCHEMA = 1
STRIDES = {"cifar": 1, "stride2": 2, "stride4": 4, "stride8": 8}
STEMS = (*STRIDES, "imagenet")
AUXILIARY_WIDTH = 768

# The least and the most of each. What is too large for this machine's memory is found as it is built.
_RANGES = {
    "cells": (1, 1000),
    "filters": (2, 10**7),
    "classes": (2, 10**6),
    "channels": (1, 10**4),
    "size": (1, 10**5),
    "stem_multiplier": (1, 1000),
    "stem_filters": (1, 10**7),
    "auxiliary_width": (8, 10**6),
}


@dataclass(frozen=True)
class NetworkConfig:
    """The content of `network.json`.

    Attributes:
        stem: "cifar" keeps the resolution; "stride2", "stride4" and "stride8" take it down with convolutions of stride
            2, "imagenet" by 8 with the stem of the paper, both before the first stack.
        cells: N, normal cells a stack; there are three stacks, a reduction between two. DARTS counts layers: 3 N + 2.
        filters: F, of the first stack; each reduction doubles them.
        classes: logits that come out.
        channels: of the image.
        size: pixels a side of the (square) image.
        stem_multiplier: every stem but ImageNet's has this many times F filters.
        stem_filters: of NASNet's ImageNet stem.
        auxiliary: a second classifier at two thirds of the depth, for training.
        drop_path: probability of dropping an edge at the end of training in the last cell.
        auxiliary_width: channels of the auxiliary head's last layer; NASNet's has 768, whatever the network's size.

    Raises:
        UserError: a value that cannot be.
    """

    stem: str = "cifar"
    cells: int = 2
    filters: int = 16
    classes: int = 10
    channels: int = 3
    size: int = 32
    stem_multiplier: int = 3
    stem_filters: int = 32
    auxiliary: bool = False
    drop_path: float = 0.0
    auxiliary_width: int = AUXILIARY_WIDTH

    def __post_init__(self) -> None:
        if self.stem not in STEMS:
            raise unknown("stem", self.stem, STEMS)
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise UserError(
                    f"network: {name}={value!r}, expected a whole number of at least {least}, at most {most}"
                )
        if not isinstance(self.auxiliary, bool):
            raise UserError(f"network: auxiliary={self.auxiliary!r}, expected true or false")
        number = not isinstance(self.drop_path, bool) and isinstance(self.drop_path, int | float)
        if not number or not 0 <= self.drop_path < 1:
            raise UserError(f"network: drop_path={self.drop_path!r}, expected a probability from 0 to below 1")

    def to_dict(self) -> dict[str, Any]:
        """Returns plain numbers and strings, the JSON form; NASNet's own auxiliary head is not named in it."""
        values = {"schema": SCHEMA, **asdict(self)}
        if self.auxiliary_width == AUXILIARY_WIDTH:
            del values["auxiliary_width"]  # as in the files of before there was a choice
        return values

    @staticmethod
    def from_dict(data: object) -> NetworkConfig:
        """Reads what `to_dict` gave; fields that are absent have their defaults, `schema` too.

        Raises:
            UserError: no such field, or a value that cannot be.
        """
        if not isinstance(data, Mapping):
            raise UserError(f"network: {type(data).__name__}, expected an object with the fields of a network")
        names = [field.name for field in fields(NetworkConfig)]
        for name in data:
            if name not in ("schema", *names):
                raise unknown("field of network", name, names)
        if data.get("schema", SCHEMA) != SCHEMA:
            raise UserError(f"network: schema {data['schema']!r}, expected {SCHEMA}")
        return NetworkConfig(**{name: data[name] for name in names if name in data})
