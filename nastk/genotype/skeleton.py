"""A skeleton: what cells or stages are put into, and what the sizes of the networks that come of it are called.

The one who builds them is entered in `nastk.networks.build`, for that needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nastk.checks import check_number, check_whole
from nastk.errors import unknown

Number = int | float
# What `network.json` says of every network; a size needs another name.
NETWORK_FIELDS = (
    *("schema", "stem", "classes", "channels", "size", "sizes", "height", "width", "stem_multiplier", "stem_filters"),
    *("auxiliary", "drop_path", "auxiliary_width", "first_cells"),
)


@dataclass(frozen=True)
class SizeName:
    """One of the two numbers that say how large a network is.

    Attributes:
        name: as settings and files write it.
        word: that stands before its value for people, "N=" in "N=2".
        least: that a file or setting may say.
        most: that a file or setting may say.
        searched: that the candidates of a search have, where nothing is said.
        default: that a network has, where nothing is said.
        choices: from which a budget picks, in ascending order, for a network with a stem of this name.
    """

    name: str
    word: str
    least: Number
    most: Number
    searched: Number
    default: Number
    choices: Callable[[str], Sequence[Number]]

    def checked(self, value: object) -> Number:
        """Returns the value; raises UserError for one that cannot be."""
        where = f"network: {self.name}"
        if isinstance(self.default, int):
            return check_whole(where, value, int(self.least), int(self.most))
        return check_number(where, value, self.least, self.most)


@dataclass(frozen=True)
class CellPlace:
    """A cell that a skeleton asks for: its name, and the stride of its edges that read the cell's inputs."""

    name: str
    stride: int = 1


@dataclass(frozen=True)
class Skeleton:
    """What the cells or stages of a genotype are put into.

    Attributes:
        name: as genotypes write it.
        depth: what says how deep a network is.
        width: what says how wide it is.
        cells: that it asks for, none where it is not made of cells.
        inputs: of each cell.
        narrows: whether a network that is a little too slow gives way in width; else in depth.
    """

    name: str
    depth: SizeName
    width: SizeName
    cells: tuple[CellPlace, ...] = field(default=())
    inputs: int = 0
    narrows: bool = False

    def told(self, sizes: Mapping[str, Number]) -> str:
        """Returns sizes for a person to read, as in "N=2, F=16"."""
        return ", ".join(f"{size.word}{sizes[size.name]:g}" for size in self.sizes if size.name in sizes)

    @property
    def sizes(self) -> tuple[SizeName, SizeName]:
        """Depth and width."""
        return self.depth, self.width

    @property
    def names(self) -> tuple[str, str]:
        """What depth and width are called."""
        return self.depth.name, self.width.name

    def stride(self, cell: str) -> int:
        """Returns the stride of a cell."""
        return next(place.stride for place in self.cells if place.name == cell)

    def complete(self, sizes: Mapping[str, Number], searched: bool = False) -> dict[str, Number]:
        """Returns both sizes, those that are not given at their defaults.

        Raises:
            UserError: a size that networks of this skeleton do not have, or a value that cannot be.
        """
        names = [size.name for size in self.sizes]
        for name in sizes:
            if name not in names:
                raise unknown(f"size of a network of {self.name!r}", name, names)
        return {
            size.name: size.checked(sizes.get(size.name, size.searched if searched else size.default))
            for size in self.sizes
        }


SKELETONS: dict[str, Skeleton] = {}


def enter_skeleton(skeleton: Skeleton) -> Skeleton:
    """Enters a skeleton into the table and returns it.

    Raises:
        ValueError: its name, or that of a size, is taken by another.
    """
    if SKELETONS.get(skeleton.name, skeleton) != skeleton:
        raise ValueError(f"skeleton {skeleton.name!r} is in the table already")
    known = {size.name: size for other in SKELETONS.values() for size in other.sizes}
    for size in skeleton.sizes:
        if known.get(size.name, size) != size:
            raise ValueError(f"{size.name!r} is a size of another skeleton, and not the same there")
        if size.name in NETWORK_FIELDS:
            raise ValueError(f"{size.name!r} is a field of every network, expected another name for a size")
    SKELETONS[skeleton.name] = skeleton
    return skeleton


def skeleton_named(name: object) -> Skeleton:
    """Returns a skeleton of the table.

    Raises:
        UserError: there is none of that name.
    """
    if not isinstance(name, str) or name not in SKELETONS:
        raise unknown("skeleton", name, SKELETONS)
    return SKELETONS[name]


def filter_widths(step: int = 2, least: int = 2, most: int = 256, grain: int = 8) -> tuple[int, ...]:
    """Returns the filters to choose from: multiples of `step` from `least` to 16, of 8 to 256.

    As in EfficientNet, F above 16 is a multiple of 8: a processor computes 24 channels more quickly than 22.
    """
    every = range(least, most + 1, step)
    return tuple(width for width in every if width <= 2 * grain or width % grain == 0)


def _cell_depths(stem: str) -> Sequence[int]:
    return range(1, 21)


def _cell_widths(stem: str) -> Sequence[int]:
    # NASNet's ImageNet stem has cells of a quarter of F, of at least 2.
    return filter_widths(step=4, least=8) if stem == "imagenet" else filter_widths()


CELLS = SizeName("cells", "N=", 1, 1000, 1, 2, _cell_depths)
FILTERS = SizeName("filters", "F=", 2, 10**7, 8, 16, _cell_widths)
BOTH = (CellPlace("normal"), CellPlace("reduction", stride=2))

NASNET = enter_skeleton(Skeleton("nasnet", CELLS, FILTERS, BOTH, inputs=2))
DARTS = enter_skeleton(Skeleton("darts", CELLS, FILTERS, BOTH, inputs=2))
NASBENCH201 = enter_skeleton(Skeleton("nasbench201", CELLS, FILTERS, (CellPlace("normal"),), inputs=1))


def _depth_multipliers(stem: str) -> Sequence[float]:
    return [step / 8 for step in range(2, 33)]


def _width_multipliers(stem: str) -> Sequence[float]:
    return [step / 16 for step in range(2, 81)]


STAGES = enter_skeleton(
    Skeleton(
        "stages",
        SizeName("depth_multiplier", "depth x", 0.05, 100.0, 1.0, 1.0, _depth_multipliers),
        SizeName("width_multiplier", "width x", 0.01, 100.0, 1.0, 1.0, _width_multipliers),
        narrows=True,
    )
)
