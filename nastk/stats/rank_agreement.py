"""How far two rankings of the same cells agree: Kendall's tau, an interval for it that holds for few cells, the noise.

tau is (pairs in the same order - pairs in the other) / all pairs, 1 for one order and about 0 for chance; ties are
allowed for as in tau-b (Kendall, "A New Measure of Rank Correlation", Biometrika 1938). NAS papers use it to ask
whether a cheap setting orders architectures as the dear one does: Yu et al., "Evaluating the Search Phase of Neural
Architecture Search", arXiv 1902.08142; Yang, Esperança, Carlucci, "NAS evaluation is frustratingly hard", arXiv
1912.12522.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nastk.errors import UserError

LEVEL = 0.95
DRAWS = 10_000
FEWEST_DRAWS = 1000
WORK = 4_000_000
PRECISION = 0.001
PAIRS_THAT_TELL = 10  # below 5 cells not even perfect order is rarer by chance than 2.5 %
REMEDY = "search with longer training (evaluator.epochs) or on more images (data.subset)"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau of two rankings.

    Attributes:
        tau: of the cells that were compared, -1 to 1.
        low, high: the 95 % interval for tau over cells of the kind that these were chosen from.
        same: pairs of cells that both rankings order alike.
        pairs: pairs of cells.
    """

    tau: float
    low: float
    high: float
    same: int
    pairs: int

    def __post_init__(self) -> None:
        for name in ("tau", "low", "high"):
            if not -1 <= getattr(self, name) <= 1:
                raise UserError(f"{name}={getattr(self, name)}: expected -1 to 1")


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns tau-b, or None where fewer than two cells are given or one side gives all of them the same value."""
    if len(first) < 2 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import kendalltau  # scipy takes a second to load, and the report needs the result's type alone

    return round(float(kendalltau(first, second).statistic), 12)  # 1, not 0.9999999999999999


def spread(count: int, wanted: int) -> list[int]:
    """Returns `wanted` of the places 0 to `count` - 1, evenly spread, the first and the last included."""
    if wanted >= count:
        return list(range(count))
    return [round(index * (count - 1) / (wanted - 1)) for index in range(wanted)]


def agreement(
    first: Sequence[float], second: Sequence[float], ranks: Sequence[int], count: int, seed: int = 0
) -> Agreement | None:
    """Compares two rankings of cells that were picked from a longer list by their place in the first.

    Cells that are spread over a ranking are easier to order than as many drawn at random: on NAS-Bench-201, 12 epochs
    against 200, tau is 0.59 over all cells and 0.74 on average over 8 spread over the ranking of 64. `tau` is that of
    the cells; the interval allows for the spread. It holds each population tau for which the observed order is not
    among the 2.5 % most extreme on either side, assuming that a monotone change of each side makes the two jointly
    normal (then tau is 2/pi arcsin of their correlation: Kruskal, JASA 1958); ties stay as observed. So it excludes 0
    exactly where Kendall's permutation test does. The bootstrap over cells is no use here: 8 cells in perfect order
    give it the interval 1 to 1, and of 300 such audits of NAS-Bench-201 its 95 % interval held the true tau in 85 %,
    this one in 94 %.

    Args:
        first: values that the cells were picked by.
        second: the other values, in the same order of cells.
        ranks: each cell's place in the longer list ordered by the first value, the best 0.
        count: length of the longer list.
        seed: of the simulation; the same input gives the same interval.

    Returns:
        None where `kendall` has no answer.
    """
    tau = kendall(first, second)
    if tau is None:
        return None
    order = np.argsort(-np.asarray(ranks))  # worst to best, as simulated values rise
    ours, theirs = np.asarray(first, dtype=np.float64)[order], np.asarray(second, dtype=np.float64)[order]
    signs = _signs(ours)
    observed = _concordance(theirs[None, :], signs)[0]
    generator = np.random.default_rng(seed)
    pairs = len(ours) * (len(ours) - 1) // 2
    draws = int(np.clip(WORK // pairs, FEWEST_DRAWS, DRAWS))
    x = _ordered_normals(np.sort(count - 1 - np.asarray(ranks)), count, draws, generator)
    low, high = _interval(x, generator.standard_normal(x.shape), np.sort(theirs), signs, float(observed))
    alike = round((observed + np.count_nonzero(np.triu(signs, 1) * _signs(theirs))) / 2)
    return Agreement(tau, low, high, alike, pairs)


def _interval(x: Floats, noise: Floats, values: Floats, signs: Floats, observed: float) -> tuple[float, float]:
    """Returns the least and the greatest population tau that the observed order does not exclude.

    Args:
        x: simulated values of the first ranking, shape (draws, cells).
        noise: standard normal, of the same shape.
        values: of the second ranking, sorted: these are dealt out in the simulated order, so that ties stay.
        signs: as in `_concordance`.
        observed: the concordance of the two rankings.
    """

    def simulated(population: float) -> Floats:
        correlation = math.sin(math.pi / 2 * population)
        y = correlation * x + math.sqrt(max(0.0, 1 - correlation**2)) * noise
        return _concordance(values[y.argsort(axis=1).argsort(axis=1)], signs)

    tail = (1 - LEVEL) / 2
    low = _boundary(lambda population: float(np.mean(simulated(population) >= observed)) >= tail)
    high = -_boundary(lambda population: float(np.mean(simulated(-population) <= observed)) >= tail)
    return low, high


def ceiling(tau: float) -> float:
    """Returns the tau that a noisy ranking would reach on average against the noise-free one.

    Args:
        tau: of the noisy ranking against a repetition of itself.

    With jointly normal values the correlation with the noise-free ones is the square root of that between repetitions
    (Spearman, "The Proof and Measurement of Association between Two Things", 1904).
    """
    between = math.sin(math.pi / 2 * max(tau, 0.0))
    return 2 / math.pi * math.asin(math.sqrt(between))


def verdict(longer: Agreement | None, again: Agreement | None, remedy: str = REMEDY) -> str:
    """Returns what a user may conclude, in one or two sentences.

    Args:
        longer: the search's ranking against that of longer training; None where one of them has no order.
        again: the search's ranking against a repetition with other seeds; None where there is none.
        remedy: what to do where the ranking was not shown to be one.
    """
    if longer is None:
        return "All cells came out alike in the search or in the longer training: there is no order to compare."
    told = f"{_told(longer)}, {longer.same} of {longer.pairs} pairs of cells in the same order"
    if longer.low > 0:
        said = f"The search's setting ranks these cells: {told}."
    elif longer.high < 0:
        said = f"The search's setting ranks these cells the wrong way round: {told}."
    elif longer.pairs < PAIRS_THAT_TELL:
        return f"So few cells tell nothing: {told}. Audit at least 5, better 8 or more."
    else:
        said = f"The search's setting was not shown to rank cells rather than noise: {told}."
        said += f" Audit more cells, or {remedy}."
    return f"{said} {_noise(longer, again)}" if again is not None else said


def _noise(longer: Agreement, again: Agreement) -> str:
    said = f"Trained anew in the search's own setting with another seed, they agree with the search at {_told(again)}"
    if again.low <= 0:
        return f"{said}: its noise may be as large as the differences between these cells."
    least, about, most = (ceiling(tau) for tau in (again.low, again.tau, again.high))
    said += f". With such noise alone tau would be about {about:.2f} ({least:.2f} to {most:.2f})"
    if longer.high < least:
        return f"{said}: longer training also changes the order."
    return f"{said}: it may be all that they disagree by."


def _told(found: Agreement) -> str:
    return f"tau {found.tau:.2f} (95 % interval {found.low:.2f} to {found.high:.2f})"


def _concordance(values: Floats, signs: Floats) -> Floats:
    """Returns pairs in the same order less those in the other, shape (draws,).

    Args:
        values: shape (draws, cells).
        signs: sign of the first ranking's difference, second cell less first, shape (cells, cells).
    """
    total = np.zeros(len(values))
    for cell in range(values.shape[1] - 1):
        total += np.sign(values[:, cell + 1 :] - values[:, cell : cell + 1]) @ signs[cell, cell + 1 :]
    return total


def _signs(values: Floats) -> Floats:
    return np.sign(values[None, :] - values[:, None])


def _ordered_normals(places: NDArray[np.int64], count: int, draws: int, generator: np.random.Generator) -> Floats:
    """Returns the values at these places, from the smallest, of `count` sorted normal ones; shape (draws, places).

    Sorted uniform values are running sums of exponential ones over their total (Renyi 1953), so that those in between
    need not be drawn.
    """
    from scipy.special import ndtri

    gaps = np.diff(np.concatenate([[-1], places, [count]]))
    sums = np.cumsum(generator.gamma(gaps, size=(draws, len(gaps))), axis=1)
    values: Floats = ndtri(sums[:, :-1] / sums[:, -1:])
    return values


def _boundary(holds: Callable[[float], bool]) -> float:
    """Returns the smallest tau for which `holds`, which is true from some tau on up to 1."""
    if holds(-1.0):
        return -1.0
    low, high = -1.0, 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
