"""From a genotype of stages to a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from nastk.blocks.register import Row, build_stage
from nastk.errors import UserError
from nastk.genotype.scaling import Scaling
from nastk.genotype.sides import side_after
from nastk.genotype.stages import Stage, StageGenotype
from nastk.ops.drop_path import DropPath


class StageNetwork(nn.Module):
    """A network of stages one after the other, a head and a classifier.

    Shapes: (N, channels, height, width) to logits (N, classes).
    """

    def __init__(self, stages: Sequence[nn.Module], head: Sequence[nn.Module], classifier: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = nn.ModuleList(head)
        self.classifier = classifier
        self.auxiliary: nn.Module | None = None

    def set_drop_path_progress(self, fraction: float) -> None:
        """Sets how far training is, from 0 to 1; drop path grows with it."""
        for module in self.modules():
            if isinstance(module, DropPath):
                module.set_progress(fraction)

    def walk(self, image: Tensor) -> Iterator[Tensor]:
        """Yields what comes out of each stage, those of the stem first; the head's are not among them."""
        for stage in self.stages:
            image = stage(image)
            yield image

    def forward(self, image: Tensor) -> Tensor:
        *_, latest = self.walk(image)
        for stage in self.head:
            latest = stage(latest)
        logits: Tensor = self.classifier(latest)
        return logits


def build_stages(
    genotype: StageGenotype,
    *,
    classes: int,
    channels: int,
    height: int,
    width: int,
    width_multiplier: float = 1.0,
    depth_multiplier: float = 1.0,
    divisor: int = 8,
    drop_path: float = 0.0,
) -> StageNetwork:
    """Builds the network, with random weights from torch's global generator, on the default device.

    Args:
        genotype: its stages.
        classes: logits that come out.
        channels, height, width: of the image.
        width_multiplier, depth_multiplier, divisor: see `Scaling`.
        drop_path: probability of dropping the last block's branch at the end of training; it grows with depth.

    Raises:
        UserError: a stage that cannot be built on what comes before it, or that leaves no pixel.
    """
    scaling = Scaling(width_multiplier, depth_multiplier, divisor)
    rows = scaling.depths(genotype)
    total = sum(depth for _, depth in rows)
    modules: list[nn.Module] = []
    size, done = (height, width), 0
    for index, (stage, depth) in enumerate(rows):
        left = _after(stage, depth, size, index)
        drops = [drop_path * (done + place + 1) / total for place in range(depth)]
        row = Row(channels, scaling.width_of(stage), depth, stage.stride, drops, size)
        built = build_stage(stage.block, row, scaling.options(stage))
        modules.append(built.module)
        channels, size, done = built.channels, left, done + depth
    end = genotype.classifier
    classifier = build_stage(end.block, Row(channels, classes, 1, 1, [0.0], size), scaling.options(end))
    body = len(genotype.stem) + len(genotype.stages)
    return StageNetwork(modules[:body], modules[body:], classifier.module)


def _after(stage: Stage, depth: int, size: tuple[int, int], index: int) -> tuple[int, int]:
    """Returns the map's size after a stage; padded odd kernels leave ceil(size / stride), others less.

    Raises:
        UserError: nothing is left to stride over.
    """
    left = side_after(stage, depth, size[0]), side_after(stage, depth, size[1])
    if min(left) < 1 or (stage.stride > 1 and min(size) < 2):
        raise UserError(
            f"stage {index} ({stage.block!r}, stride {stage.stride}) shrinks a map of {size[0]}x{size[1]} pixels below "
            "1x1: give larger images, or fewer strides"
        )
    return left
