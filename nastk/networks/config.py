"""What a network is beside its genotype: how deep and wide it is, and what goes in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from nastk.checks import check_flag, check_probability, check_whole
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.genotype.skeleton import SKELETONS, Number, Skeleton
from nastk.genotype.stems import check_first_cells, check_stem

SCHEMA = 1
AUXILIARY_WIDTH = 768

# The least and the most of each. What is too large for this machine's memory is found as it is built.
_RANGES = {
    "classes": (2, 10**6),
    "channels": (1, 10**4),
    "height": (1, 10**5),
    "width": (1, 10**5),
    "stem_multiplier": (1, 1000),
    "stem_filters": (1, 10**7),
    "auxiliary_width": (8, 10**6),
}


@dataclass(frozen=True, init=False)
class NetworkConfig:
    """The content of `network.json`.

    Attributes:
        stem: of a network of cells: "cifar" keeps the resolution; "stride2", "stride4" and "stride8" take it down with
            convolutions of stride 2, "imagenet" by 8 with the stem of the paper, both before the first stack.
        classes: logits that come out.
        channels: of the image.
        height: of the image, pixels; `size` gives both sides of a square one.
        width: of the image, pixels.
        stem_multiplier: every stem but ImageNet's has this many times F filters.
        stem_filters: of NASNet's ImageNet stem.
        auxiliary: a second classifier at two thirds of the depth, for training.
        drop_path: probability of dropping an edge or a block's branch at the end of training in the last one.
        auxiliary_width: channels of the auxiliary head's last layer; NASNet's has 768, whatever the network's size.
        first_cells: normal cells before the first reduction, of a network of cells; None for N, as in the other stacks.
        sizes: depth and width by the names of the skeleton, e.g. {"cells": 2, "filters": 16}, also given as keyword
            arguments of their own; one that is not given has the skeleton's default, see `complete`.

    Raises:
        UserError: a value that cannot be.
    """

    stem: str
    classes: int
    channels: int
    height: int
    width: int
    stem_multiplier: int
    stem_filters: int
    auxiliary: bool
    drop_path: float
    auxiliary_width: int
    first_cells: int | None
    sizes: Mapping[str, Number] = field(hash=False)

    def __init__(
        self,
        stem: str = "cifar",
        classes: int = 10,
        channels: int = 3,
        height: int = 32,
        width: int = 32,
        stem_multiplier: int = 3,
        stem_filters: int = 32,
        auxiliary: bool = False,
        drop_path: float = 0.0,
        auxiliary_width: int = AUXILIARY_WIDTH,
        first_cells: int | None = None,
        sizes: Mapping[str, Number] | None = None,
        size: int | None = None,
        **named: Number,
    ) -> None:
        values = dict(locals())
        if size is not None:
            values["height"] = values["width"] = check_whole("network: size", size, *_RANGES["height"])
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, values[name])
        object.__setattr__(self, "sizes", _checked_sizes({**(sizes or {}), **named}))
        self._check()

    def _check(self) -> None:
        check_stem(self.stem)
        check_first_cells("network", self.first_cells)
        for name, (least, most) in _RANGES.items():
            check_whole(f"network: {name}", getattr(self, name), least, most)
        check_flag("network: auxiliary", self.auxiliary)
        check_probability("network: drop_path", self.drop_path, below=True)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the image."""
        return self.channels, self.height, self.width

    @property
    def size(self) -> int:
        """Pixels a side of a square image; of another, those of the longer side."""
        return max(self.height, self.width)

    def of(self, genotype: Genotype) -> NetworkConfig:
        """Returns the configuration with what a genotype chooses itself, its image size for one, see `own_network`."""
        own = genotype.own_network
        return replace(self, **own) if own else self

    def complete(self, skeleton: Skeleton, searched: bool = False) -> NetworkConfig:
        """Returns the configuration with every size of a skeleton, those that are not given at their defaults.

        Args:
            skeleton: of the genotype.
            searched: take the defaults of a search's candidates, which are smaller.

        Raises:
            UserError: a size that networks of this skeleton do not have.
        """
        return replace(self, sizes=skeleton.complete(self.sizes, searched))

    def to_dict(self) -> dict[str, Any]:
        """Returns plain numbers and strings, the JSON form; NASNet's own auxiliary head is not named in it."""
        values = asdict(self)
        sides = {"size": self.height} if self.height == self.width else {"height": self.height, "width": self.width}
        if self.auxiliary_width == AUXILIARY_WIDTH:
            del values["auxiliary_width"]  # as in the files of before there was a choice
        if self.first_cells is None:
            del values["first_cells"]
        rest = {name: value for name, value in values.items() if name not in ("stem", "sizes", "height", "width")}
        return {"schema": SCHEMA, "stem": self.stem, **self.sizes, **rest, **sides}

    @staticmethod
    def from_dict(data: object) -> NetworkConfig:
        """Reads what `to_dict` gave; fields that are absent have their defaults, `schema` too.

        Raises:
            UserError: no such field, or a value that cannot be.
        """
        if not isinstance(data, Mapping):
            raise UserError(f"network: {type(data).__name__}, expected an object with the fields of a network")
        names = field_names()
        for name in data:
            if name not in ("schema", *names):
                raise unknown("field of network", name, names)
        if data.get("schema", SCHEMA) != SCHEMA:
            raise UserError(f"network: schema {data['schema']!r}, expected {SCHEMA}")
        return NetworkConfig(**{name: data[name] for name in names if name in data})


def field_names() -> list[str]:
    """Returns the names that `network.json` and settings may have: the fields, `size`, and the skeletons' sizes."""
    own = [name for name in NetworkConfig.__dataclass_fields__ if name != "sizes"]
    return [*own, "size", *dict.fromkeys(size.name for skeleton in SKELETONS.values() for size in skeleton.sizes)]


def _checked_sizes(sizes: Mapping[str, Number]) -> dict[str, Number]:
    """Returns sizes in the skeletons' order; raises UserError for one that no skeleton has, or that cannot be."""
    known = {size.name: size for skeleton in SKELETONS.values() for size in skeleton.sizes}
    for name in sizes:
        if name not in known:
            raise unknown("field of network", name, field_names())
    return {name: size.checked(sizes[name]) for name, size in known.items() if name in sizes}
