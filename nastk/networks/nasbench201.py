"""NAS-Bench-201's skeleton: stacks of one-input cells with residual blocks between them."""

from __future__ import annotations

from torch import Tensor, nn

from nastk.blocks.cell import CellModule
from nastk.errors import UserError
from nastk.genotype import CellGenotype
from nastk.genotype.stems import STRIDES
from nastk.networks.config import NetworkConfig
from nastk.networks.heads import auxiliary_head, head
from nastk.networks.network import Network
from nastk.networks.skeleton import STACKS, Sides, after_stem, halved, plain_stem, plan, width_of
from nastk.ops.conv import batch_norm, convolution, relu_conv_bn


class ResidualBlock(nn.Module):
    """Halves the resolution and widens: two 3x3 convolutions beside average pooling and a 1x1 convolution.

    Shapes: latest (N, channels_in, size, size) to (N, channels_out, half, half), half rounded up; previous is not read.
    """

    def __init__(self, channels_in: int, channels_out: int, sides: Sides) -> None:
        super().__init__()
        first = relu_conv_bn(channels_in, channels_out, 3, 2)
        self.convolutions = nn.Sequential(*first, *relu_conv_bn(channels_out, channels_out, 3))
        # Padding, not ceil_mode, for an odd size: torch and ONNX take that differently.
        pool = nn.AvgPool2d(2, 2, padding=(sides[0] % 2, sides[1] % 2), count_include_pad=False)
        self.shortcut = nn.Sequential(pool, convolution(channels_in, channels_out, 1))

    def forward(self, previous: Tensor, latest: Tensor) -> Tensor:
        convolved: Tensor = self.convolutions(latest)
        shortcut: Tensor = self.shortcut(latest)
        return shortcut + convolved


def build_nasbench201(genotype: CellGenotype, config: NetworkConfig) -> Network:
    """Returns the network of Dong, Yang, "NAS-Bench-201", ICLR 2020; theirs have F = 16 and N = 5.

    The stem has F filters, whatever `stem_multiplier` says.

    Raises:
        UserError: the stem is that of ImageNet (the benchmark itself has "cifar" alone), or the cell's output is wider
            than F filters, which its skeleton takes unchanged from cell to cell.
    """
    if config.stem not in STRIDES:
        others = ", ".join(stem for stem in STRIDES if stem != "cifar")
        raise UserError(
            f"network: stem={config.stem!r}, expected 'cifar' with skeleton 'nasbench201', or one of {others}"
        )
    cell = genotype["normal"]
    if len(cell.output) != 1 or any(node.combine != "add" for node in cell.nodes):
        raise UserError(
            f"genotype: output {list(cell.output)}, expected one state and no concatenation in 'nasbench201'"
        )
    first, sides = width_of(config), after_stem(config)
    filters = first
    stages: list[nn.Module] = []
    auxiliary, auxiliary_after = None, -1
    kinds = plan(config)
    for is_reduction in kinds:
        if is_reduction:
            if filters == first * 2 ** (STACKS - 2) and config.auxiliary:
                auxiliary, auxiliary_after = (
                    auxiliary_head(filters, config.classes, sides, config.auxiliary_width),
                    len(stages) - 1,
                )
            stages.append(ResidualBlock(filters, 2 * filters, sides))
            filters, sides = 2 * filters, halved(sides)
        else:
            drop_path = config.drop_path * (len(stages) + 1) / len(kinds)
            built = CellModule(cell, (nn.Identity(),), (filters,), filters, drop_path=drop_path)
            stages.append(built)
    end = head(filters, config.classes, batch_norm(filters), nn.ReLU())
    return Network(plain_stem(config, first), stages, end, auxiliary, auxiliary_after)
