"""Published cells as a stage: Zoph, Vasudevan, Shlens, Le, "Learning Transferable Architectures...", CVPR 2018.

Each cell reads the outputs of the two before it. A stage is given one map, which its first cell reads in place of both.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nastk.blocks.cell import CellModule
from nastk.blocks.register import Built, Row, whole_stage
from nastk.errors import UserError
from nastk.genotype.published import PUBLISHED
from nastk.ops.conv import relu_conv_bn
from nastk.ops.identity import FactorizedReduction


class CellStage(nn.Module):
    """Cells one after the other.

    Shapes: (N, channels_in, H, W) to (N, the last cell's channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, cells: Sequence[CellModule]) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)

    def forward(self, x: Tensor) -> Tensor:
        previous = latest = x
        for cell in self.cells:
            previous, latest = latest, cell(previous, latest)
        return latest


@whole_stage("nasnet_cell")
def nasnet_cell(row: Row, *, cell: str, filters: int) -> Built:
    """As many cells as the stage is deep, the first a reduction cell where the stage strides.

    A cell's inputs are made ready as in NASNet: ReLU, 1x1 convolution and batch normalisation to `filters` channels; a
    factorized reduction for what has twice the resolution.

    Raises:
        UserError: a stride that reduction cells do not have.
    """
    if row.stride > 2:
        raise UserError(f"stage 'nasnet_cell': stride={row.stride}, expected 1 or 2, the stride of a reduction cell")
    cells: list[CellModule] = []
    previous = latest = row.channels_in
    for index, drop in enumerate(row.drops):
        reduces = row.stride == 2 and index == 0
        older: nn.Module = relu_conv_bn(previous, filters, 1)
        if row.stride == 2 and index == 1:
            older = nn.Sequential(nn.ReLU(), FactorizedReduction(previous, filters))
        found = PUBLISHED[cell].reduction if reduces else PUBLISHED[cell].normal
        inputs = older, relu_conv_bn(latest, filters, 1)
        cells.append(CellModule(found, inputs, (filters, filters), filters, 2 if reduces else 1, drop))
        previous, latest = latest, cells[-1].channels_out
    return Built(CellStage(cells), latest)
