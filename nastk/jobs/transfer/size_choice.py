"""What may be chosen of a network's size, for networks of any skeleton."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nastk.config.build import jsonable
from nastk.deploy.cost.sources import Costing
from nastk.genotype.skeleton import Number, Skeleton
from nastk.jobs.transfer.sizing import Freedom, Limit, NetworkSize
from nastk.networks import NetworkConfig


@dataclass(frozen=True)
class Sizing:
    """How networks get their size.

    Attributes:
        network: the network to be built; its sizes are those that the user has given.
        limits: what it must not cost.
        searched: the sizes that the search's candidates had.
        target: that measures a cost which cannot be counted; None where none is limited.
        target_facts: the target as plain values, for the record.
        judged: whether the search has brought its candidates to these limits, and judged them so.
    """

    network: NetworkConfig
    limits: tuple[Limit, ...]
    searched: Mapping[str, Number]
    target: Costing | None
    target_facts: Mapping[str, Any] | None
    judged: bool = False

    def of(self, skeleton: Skeleton) -> SkeletonSizing:
        """Returns how networks of one skeleton get theirs; raises UserError for a given size that they do not have."""
        skeleton.complete(self.network.sizes)
        searched = {name: value for name, value in self.searched.items() if name in skeleton.names}
        start = skeleton.complete(searched)
        depth, width = skeleton.sizes
        free = Freedom(
            NetworkSize(start[depth.name], start[width.name]),
            self.network.sizes.get(depth.name),
            self.network.sizes.get(width.name),
            depth.choices(self.network.stem),
            width.choices(self.network.stem),
            skeleton.narrows,
        )
        return SkeletonSizing(self, skeleton, free)


@dataclass(frozen=True)
class SkeletonSizing:
    """How the networks of one skeleton get their size.

    Attributes:
        sizing: what holds for every skeleton.
        skeleton: of the networks.
        free: what may be chosen.
    """

    sizing: Sizing
    skeleton: Skeleton
    free: Freedom

    @property
    def fixed(self) -> bool:
        """Whether the user has named both depth and width."""
        return self.free.depth is not None and self.free.width is not None

    def sizes(self, size: NetworkSize) -> dict[str, Number]:
        """Returns depth and width by their names."""
        return {self.skeleton.depth.name: size.depth, self.skeleton.width.name: size.width}

    def told(self, size: NetworkSize) -> str:
        """Returns a size for a person to read."""
        return self.skeleton.told(self.sizes(size))

    def config(self, size: NetworkSize) -> NetworkConfig:
        """Returns the network of a size."""
        return dataclasses.replace(self.sizing.network, sizes=self.sizes(size))

    def asked(self) -> dict[str, Any]:
        """Returns, as plain values, all that the choice of a size depends on beside the genotype and the clock."""
        image = ("stem", "classes", "channels", "size")
        network = self.sizing.network
        first = {} if network.first_cells is None else {"first_cells": network.first_cells}
        return {
            "limits": {f"max_{limit.metric}": limit.value for limit in self.sizing.limits},
            "given": {size.name: network.sizes.get(size.name) for size in self.skeleton.sizes},
            "start": self.sizes(self.free.start),
            "network": {name: getattr(network, name) for name in image} | first,
            "target": jsonable(self.sizing.target_facts),
        }
