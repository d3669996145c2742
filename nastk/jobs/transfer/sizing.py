"""How large a network of given cells may become: the largest of a row of sizes that meets the limits, by measuring.

The rule is compound scaling (Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019,
arXiv 1905.11946): depth and width grow together, N = N0 * 1.2^phi and F = F0 * 1.1^phi, from the size that the search
had. The largest phi that fits is found by doubling steps and then halving them; what is left of the limits goes to F,
then to N. As in EfficientNet, F above 16 is a multiple of 8: a processor computes 24 channels more quickly than 22.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MOST_CELLS, MOST_FILTERS = 20, 256
DEPTH, WIDTH = 1.2, 1.1
GRAIN = 8
RUNGS = 4  # sizes for each unit of phi
REACH = 64  # units of phi to either side: from the smallest network to the largest, wherever the search was
LATENCY = "latency_ms"
# A latency of the search for a size must stay so far below its limit: it is measured again, and a clock is noisy.
MARGIN = 0.03
DOUBT = 10.0  # times the limit: what took longer is too slow however busy the machine was


class TooLarge(Exception):  # noqa: N818 - an outcome of measuring
    """Raised by a `Measure`: there is no memory for a network of this size."""


@dataclass(frozen=True)
class Shape:
    """Cells N a stack and filters F of the first stack."""

    cells: int
    filters: int

    def __str__(self) -> str:
        return f"N={self.cells}, F={self.filters}"


@dataclass(frozen=True)
class Limit:
    """What a cost must not exceed; `setting` is the name by which the user gave it."""

    metric: str
    value: float
    setting: str


def filter_widths(step: int = 2, least: int = 2) -> tuple[int, ...]:
    """Returns the filters to choose from: multiples of `step` from `least` to 16, of 8 to 256."""
    every = range(least, MOST_FILTERS + 1, step)
    return tuple(width for width in every if width <= 2 * GRAIN or width % GRAIN == 0)


@dataclass(frozen=True)
class Freedom:
    """What may be chosen.

    Attributes:
        start: the size that the search had.
        cells, filters: what the user has fixed, or None.
        widths: filters to choose from, in ascending order.
    """

    start: Shape
    cells: int | None = None
    filters: int | None = None
    widths: Sequence[int] = filter_widths()


@dataclass(frozen=True)
class Picked:
    """The chosen size, its cost, and every measurement on the way."""

    shape: Shape
    cost: Mapping[str, float]
    measured: Sequence[tuple[Shape, Mapping[str, float]]]


class NothingFits(Exception):  # noqa: N818 - an outcome of picking
    """Even the smallest size, or the only one, breaks a limit; `cost` is None where it did not go into memory."""

    def __init__(self, shape: Shape, cost: Mapping[str, float] | None) -> None:
        self.shape, self.cost = shape, cost
        super().__init__(f"{shape} does not fit")


Measure = Callable[[Shape], Mapping[str, float]]


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
    ruler = _Ruler(measure, limits, MARGIN if len(row) > 1 else 0.0)
    place = last_that_fits(lambda index: ruler.fits(row[index]), len(row), _nearest(row, free.start))
    if place < 0:
        raise NothingFits(row[0], ruler.known.get(row[0]))
    shape = row[place]
    if free.cells is None and free.filters is None:
        wider = [Shape(shape.cells, width) for width in free.widths if width >= shape.filters]
        shape = wider[last_that_fits(lambda index: not index or ruler.fits(wider[index]), len(wider), 1)]
        deeper = [Shape(cells, shape.filters) for cells in range(shape.cells, MOST_CELLS + 1)]
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


def sizes(free: Freedom) -> list[Shape]:
    """Returns the sizes to choose from, each at least as deep and as wide as the one before."""
    if free.cells is not None and free.filters is not None:
        return [Shape(free.cells, free.filters)]
    if free.cells is not None:
        return [Shape(free.cells, width) for width in free.widths]
    if free.filters is not None:
        return [Shape(cells, free.filters) for cells in range(1, MOST_CELLS + 1)]
    return list(dict.fromkeys(_compound(free)))


def _compound(free: Freedom) -> Iterator[Shape]:
    for rung in range(-REACH * RUNGS, REACH * RUNGS + 1):
        phi = rung / RUNGS
        cells = round(min(free.start.cells * DEPTH**phi, MOST_CELLS))
        wanted = free.start.filters * WIDTH**phi
        yield Shape(max(cells, 1), min(free.widths, key=lambda width: abs(width - wanted)))


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


def _nearest(row: Sequence[Shape], start: Shape) -> int:
    """Returns the place of the largest size that is neither deeper nor wider than the start, by what is free."""
    fixed_depth, fixed_width = row[0].cells == row[-1].cells, row[0].filters == row[-1].filters
    places = [
        place
        for place, shape in enumerate(row)
        if (fixed_depth or shape.cells <= start.cells) and (fixed_width or shape.filters <= start.filters)
    ]
    return places[-1] if places else 0


def _smaller(shape: Shape, free: Freedom) -> Shape | None:
    if free.cells is None and shape.cells > 1:
        return Shape(shape.cells - 1, shape.filters)
    narrower = [width for width in free.widths if width < shape.filters]
    return Shape(shape.cells, narrower[-1]) if free.filters is None and narrower else None


@dataclass
class _Ruler:
    """Measures sizes, once each unless the clock is in doubt, and compares with the limits."""

    measure: Measure
    limits: Sequence[Limit]
    margin: float
    known: dict[Shape, Mapping[str, float] | None] = field(default_factory=dict)
    measured: list[tuple[Shape, Mapping[str, float]]] = field(default_factory=list)

    def fits(self, shape: Shape) -> bool:
        """Says whether a size meets the limits, a latency with the margin."""
        if shape not in self.known:
            self._take(shape, self.margin)
        return self._within(self.known[shape], self.margin)

    def holds(self, shape: Shape) -> bool:
        """Measures once more and says whether the size meets the limits."""
        self._take(shape, 0.0)
        return self._within(self.known[shape], 0.0)

    def _take(self, shape: Shape, margin: float) -> None:
        cost = self._once(shape)
        late = [limit for limit in self.limits if limit.metric == LATENCY]
        if cost is not None and late and 1 - margin < cost[LATENCY] / late[0].value < DOUBT:
            # A machine that was busy for a moment makes a network slow, nothing makes it fast.
            again = self._once(shape)
            cost = cost if again is None or cost[LATENCY] <= again[LATENCY] else again
        self.known[shape] = cost

    def _once(self, shape: Shape) -> Mapping[str, float] | None:
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
