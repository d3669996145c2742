"""How cells are stacked: three stacks of normal cells, a reduction between two, each cell reading the two before."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from nastk.blocks.cell import CellModule
from nastk.genotype import CellGenotype
from nastk.genotype.stems import STRIDES
from nastk.networks.config import NetworkConfig
from nastk.networks.heads import auxiliary_head
from nastk.networks.network import Network, Stem
from nastk.ops.conv import conv_bn, relu_conv_bn
from nastk.ops.identity import FactorizedReduction

STACKS = 3


Sides = tuple[int, int]  # height and width of a map, pixels


def halved(sides: Sides, times: int = 1) -> Sides:
    """Returns the pixels of each side after so many reductions, each rounding up."""
    for _ in range(times):
        sides = (sides[0] + 1) // 2, (sides[1] + 1) // 2
    return sides


def plan(config: NetworkConfig) -> list[bool]:
    """Returns whether each stage is a reduction: N normal cells, a reduction, N, a reduction, N.

    Before the first reduction there may be another number of cells, `first_cells`.
    """
    cells = depth_of(config)
    first = cells if config.first_cells is None else config.first_cells
    return [False] * first + [True] + ([False] * cells + [True]) * (STACKS - 2) + [False] * cells


def projection(channels_in: int, channels_out: int) -> nn.Module:
    """Returns ReLU, 1x1 convolution, batch normalisation."""
    return relu_conv_bn(channels_in, channels_out, 1)


def reduction(channels_in: int, channels_out: int) -> nn.Module:
    """Returns ReLU and a factorized reduction."""
    return nn.Sequential(nn.ReLU(), FactorizedReduction(channels_in, channels_out))


def plain_stem(config: NetworkConfig, filters: int) -> Stem:
    """Returns a 3x3 convolution and batch normalisation, or one to three of stride 2 with ReLU between.

    Each of stride 2 has twice the channels of the one before, as in the first layers of MobileNet and its kin.
    """
    halvings = _halvings(config)
    if not halvings:
        return Stem(nn.Sequential(*conv_bn(config.channels, filters, 3)))
    layers: list[nn.Module] = []
    channels = config.channels
    for left in reversed(range(halvings)):
        width = max(filters >> left, 2)
        layers += [nn.ReLU()] if layers else []
        layers += conv_bn(channels, width, 3, 2)
        channels = width
    return Stem(nn.Sequential(*layers))


def after_stem(config: NetworkConfig) -> Sides:
    """Returns the pixels of each side that a plain stem leaves."""
    return halved((config.height, config.width), _halvings(config))


def depth_of(config: NetworkConfig) -> int:
    """Returns N, the normal cells of a stack."""
    return int(config.sizes["cells"])


def width_of(config: NetworkConfig) -> int:
    """Returns F, the filters of the first stack."""
    return int(config.sizes["filters"])


def _halvings(config: NetworkConfig) -> int:
    return STRIDES[config.stem].bit_length() - 1


@dataclass
class Stacking:
    """Builds a network's cells one after the other and keeps track of what comes out of the last two.

    Attributes:
        genotype: of the network.
        config: of the network.
        channels: out of the last two stages (or the stem), the older first.
        behind: whether the older one still has twice the resolution of the latest.
        sides: height and width of the latest, pixels.
        total: cells there will be, for drop path.
        match_latest, match_previous: whether an input that has the cell's filters already gets a 1x1 convolution.
    """

    genotype: CellGenotype
    config: NetworkConfig
    channels: tuple[int, int]
    sides: Sides
    total: int
    behind: bool = False
    match_previous: bool = False
    stages: list[nn.Module] = field(default_factory=list)
    auxiliary: nn.Module | None = None
    auxiliary_after: int = -1

    def add(self, filters: int, is_reduction: bool, raw_previous: bool = False) -> None:
        """Adds a cell; with `raw_previous` the older input goes in as it is, whatever its channels."""
        previous, latest = self.channels
        make: nn.Module = nn.Identity()
        made = previous
        if not raw_previous and (self.behind or self.match_previous or previous != filters):
            make = (reduction if self.behind else projection)(previous, filters)
            made = filters
        cell = CellModule(
            self.genotype["reduction" if is_reduction else "normal"],
            (make, projection(latest, filters)),
            (made, filters),
            filters,
            2 if is_reduction else 1,
            self.config.drop_path * (len(self.stages) + 1) / self.total,
        )
        self.stages.append(cell)
        self.channels = (latest, cell.channels_out)
        self.behind = is_reduction
        self.sides = halved(self.sides) if is_reduction else self.sides

    def add_stacks(self) -> None:
        """Adds the three stacks; filters double at each reduction."""
        reductions = 0
        for is_reduction in plan(self.config):
            if is_reduction:
                reductions += 1
                if reductions == STACKS - 1:
                    self._add_auxiliary()
            self.add(width_of(self.config) * 2**reductions, is_reduction)

    def _add_auxiliary(self) -> None:
        """Puts the auxiliary head at the end of the second stack, two thirds of the depth."""
        if self.config.auxiliary:
            self.auxiliary = auxiliary_head(
                self.channels[1], self.config.classes, self.sides, self.config.auxiliary_width
            )
            self.auxiliary_after = len(self.stages) - 1

    def network(self, stem: Stem, head: nn.Module) -> Network:
        """Returns the network of the cells so far."""
        return Network(stem, self.stages, head, self.auxiliary, self.auxiliary_after)
