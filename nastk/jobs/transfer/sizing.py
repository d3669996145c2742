"""How large a network of given cells may become: the largest of a row of sizes that meets the limits, by measuring.

The rule is compound scaling (Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019,
arXiv 1905.11946): depth and width grow together, N = N0 * 1.2^phi and F = F0 * 1.1^phi, from the size that the search
had. The largest phi that fits is found by doubling steps and then halving them; what is left of the limits goes to F,
then to N. What depth and width are called, and which there are to choose from, the skeleton of the network says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nastk.budget import LATENCY
from nastk.genotype.skeleton import CELLS, FILTERS, Number
from nastk.jobs.transfer.clock import MARGIN, measured_at_ease

DEPTH, WIDTH = 1.2, 1.1
RUNGS = 4  # sizes for each unit of phi
REACH = 64  # units of phi to either side: from the smallest network to the largest, wherever the search was


class TooLarge(Exception):  # noqa: N818 - an outcome of measuring
    """Raised by a `Measure`: there is no memory for a network of this size."""


class NetworkSize(NamedTuple):
    """How deep and how wide a network is, in the numbers of its skeleton: N and F, or multipliers."""

    depth: Number
    width: Number


@dataclass(frozen=True)
class Limit:
    """What a cost must not exceed; `setting` is the name by which the user gave it."""

    metric: str
    value: float
    setting: str


@dataclass(frozen=True)
class Freedom:
    """What may be chosen.

    Attributes:
        start: the size that the search had.
        depth: that the user has fixed, or None.
        width: that the user has fixed, or None.
        depths: to choose from, in ascending order.
        widths: to choose from, in ascending order.
        narrows: whether a size that is a little too slow gives way in width; else in depth.
    """

    start: NetworkSize
    depth: Number | None = None
    width: Number | None = None
    depths: Sequence[Number] = tuple(CELLS.choices(""))
    widths: Sequence[Number] = tuple(FILTERS.choices(""))
    narrows: bool = False


@dataclass(frozen=True)
class Picked:
    """The chosen size, its cost, and every measurement on the way."""

    shape: NetworkSize
    cost: Mapping[str, float]
    measured: Sequence[tuple[NetworkSize, Mapping[str, float]]]


class NothingFits(Exception):  # noqa: N818 - an outcome of picking
    """Even the smallest size, or the only one, breaks a limit; `cost` is None where it did not go into memory."""

    def __init__(self, shape: NetworkSize, cost: Mapping[str, float] | None) -> None:
        self.shape, self.cost = shape, cost
        super().__init__(f"{shape} does not fit")


Measure = Callable[[NetworkSize], Mapping[str, float]]


def pick_shape(measure: Measure, limits: Sequence[Limit], free: Freedom) -> Picked:
    """Returns the size that becomes of the cells.

    Where a latency is limited, the chosen size is measured once more and gives way to the next smaller one while it
    breaks the limit.

    Args:
        measure: says what a size costs, every limited metric of it; is called some ten to fifteen times.
        limits: at least one.
        free: what may be chosen.

    Raises:
        NothingFits: no size does.
    """
    row = sizes(free)
    ruler = _Ruler(measure, limits, MARGIN if len(row) > 1 else 0.0, free.start)
    place = last_that_fits(lambda index: ruler.fits(row[index]), len(row), _nearest(row, free.start))
    if place < 0:
        raise NothingFits(row[0], ruler.known.get(row[0]))
    shape = row[place]
    if free.depth is None and free.width is None:
        wider = [NetworkSize(shape.depth, width) for width in free.widths if width >= shape.width]
        shape = wider[last_that_fits(lambda index: not index or ruler.fits(wider[index]), len(wider), 1)]
        deeper = [NetworkSize(depth, shape.width) for depth in free.depths if depth >= shape.depth]
        shape = deeper[last_that_fits(lambda index: not index or ruler.fits(deeper[index]), len(deeper), 1)]
    if any(limit.metric == LATENCY for limit in limits):
        while not ruler.holds(shape):
            smaller = _smaller(shape, free)
            if smaller is None:
                raise NothingFits(shape, ruler.known.get(shape))
            shape = smaller
    cost = ruler.known[shape]
    assert cost is not None
    return Picked(shape, cost, ruler.measured)


def sizes(free: Freedom) -> list[NetworkSize]:
    """Returns the sizes to choose from, each at least as deep and as wide as the one before."""
    if free.depth is not None and free.width is not None:
        return [NetworkSize(free.depth, free.width)]
    if free.depth is not None:
        return [NetworkSize(free.depth, width) for width in free.widths]
    if free.width is not None:
        return [NetworkSize(depth, free.width) for depth in free.depths]
    return list(dict.fromkeys(_compound(free)))


def _compound(free: Freedom) -> Iterator[NetworkSize]:
    for rung in range(-REACH * RUNGS, REACH * RUNGS + 1):
        phi = rung / RUNGS
        deep, wide = free.start.depth * DEPTH**phi, free.start.width * WIDTH**phi
        yield NetworkSize(_closest(free.depths, deep), _closest(free.widths, wide))


def _closest(choices: Sequence[Number], wanted: float) -> Number:
    return min(choices, key=lambda choice: abs(choice - wanted))


def last_that_fits(fits: Callable[[int], bool], count: int, first: int) -> int:
    """Returns the last index of 0 to `count` - 1 that fits, those that fit coming first; -1 for none.

    Begins at `first` and goes up or down in doubling steps, so that nothing much larger than needed is tried.
    """
    low, high, probe, step = -1, count, min(first, count - 1), 2
    while high - low > 1:
        if fits(probe):
            low = probe
        else:
            high = probe
        if high == count:
            probe = min(low + step, count - 1)
        elif low == -1:
            probe = max(high - step, 0)
        else:
            probe = (low + high) // 2
        step *= 2
    return low


def _nearest(row: Sequence[NetworkSize], start: NetworkSize) -> int:
    """Returns the place of the largest size that is neither deeper nor wider than the start, by what is free."""
    fixed_depth, fixed_width = row[0].depth == row[-1].depth, row[0].width == row[-1].width
    places = [
        place
        for place, shape in enumerate(row)
        if (fixed_depth or shape.depth <= start.depth) and (fixed_width or shape.width <= start.width)
    ]
    return places[-1] if places else 0


def _smaller(shape: NetworkSize, free: Freedom) -> NetworkSize | None:
    shallower = [depth for depth in free.depths if depth < shape.depth and free.depth is None]
    narrower = [width for width in free.widths if width < shape.width and free.width is None]
    if narrower and (free.narrows or not shallower):
        return NetworkSize(shape.depth, narrower[-1])
    return NetworkSize(shallower[-1], shape.width) if shallower else None


@dataclass
class _Ruler:
    """Measures sizes, once each unless the clock is in doubt, and compares with the limits."""

    measure: Measure
    limits: Sequence[Limit]
    margin: float
    start: NetworkSize
    known: dict[NetworkSize, Mapping[str, float] | None] = field(default_factory=dict)
    measured: list[tuple[NetworkSize, Mapping[str, float]]] = field(default_factory=list)

    def fits(self, shape: NetworkSize) -> bool:
        """Says whether a size meets the limits, a latency with the margin: not that of the start.

        What the search has measured within its limits, and judged, does not give way to the noise of a clock.
        """
        margin = 0.0 if shape == self.start else self.margin
        if shape not in self.known:
            self._take(shape, margin)
        return self._within(self.known[shape], margin)

    def holds(self, shape: NetworkSize) -> bool:
        """Measures once more and says whether the size meets the limits."""
        self._take(shape, 0.0)
        return self._within(self.known[shape], 0.0)

    def _take(self, shape: NetworkSize, margin: float) -> None:
        limit = next((limit.value for limit in self.limits if limit.metric == LATENCY), None)
        self.known[shape] = measured_at_ease(lambda: self._once(shape), limit, margin)

    def _once(self, shape: NetworkSize) -> Mapping[str, float] | None:
        try:
            cost = self.measure(shape)
        except TooLarge:
            return None
        self.measured.append((shape, cost))
        return cost

    def _within(self, cost: Mapping[str, float] | None, margin: float) -> bool:
        return cost is not None and all(
            cost[limit.metric] <= limit.value * (1 - margin if limit.metric == LATENCY else 1) for limit in self.limits
        )
