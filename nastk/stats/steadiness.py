"""Whether a timing can be trusted: a machine that is busy with something else takes longer, and does not say so."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# So many repeats must agree; where they do not, more are made, and the quietest count.
REPEATS, MOST_REPEATS = 3, 9
# Of the repeats' medians: (greatest - least) / p50. On a quiet machine it is about a hundredth.
MOST_SPREAD = 0.05
# Of p50 to the quickest run. On a quiet machine it is 1.01 to 1.1; other work lengthens runs, nothing shortens them.
FAR = 1.25
# Where runs are long, each of them is held up, the quickest too: then only the number of processes tells. Shorter ones
# than a scheduler's turn, some 3 ms, are held up now and then, which the quickest one shows.
CROWD, LONG_MS = 0.5, 1.0
# What a doubt says where not other work but heat, or want of power, slowed the processor down.
HEAT = "slows it down"
LOAD = Path("/proc/loadavg")


@dataclass(frozen=True)
class Repeat:
    """What one repeat has timed.

    Attributes:
        times: of each file, those of its runs, in any unit.
        others: processes and threads that wanted to run meanwhile beside the measuring one, their mean; None where the
            system does not tell.
    """

    times: Sequence[Sequence[float]]
    others: float | None = None


def doubt(
    p50: float, least: float, spread: float, others: float | None = None, threads: int = 1, cores: int | None = None
) -> str | None:
    """Returns why a latency is not to be trusted, in words, or None where nothing speaks against it.

    Args:
        p50: median of all runs, in milliseconds.
        least: the quickest run, in milliseconds.
        spread: between the repeats' medians, as a share of p50.
        others: see `Repeat`.
        threads: that compute together.
        cores: of the machine; None for this one's.
    """
    cores = cores or os.cpu_count() or 1
    said = []
    if spread > MOST_SPREAD:
        said.append(f"p50 varied by {100 * spread:.0f} % between repeats")
    if p50 > FAR * least:
        said.append(
            f"p50 is {p50 / least:.2g} times the quickest run" if least > 0 else "its quickest run took no time"
        )
    crowded = others is not None and others + threads > cores + CROWD
    if crowded and (said or p50 >= LONG_MS):
        said.append(f"{others:.2g} others wanted to run on {cores} cores")
    return ", ".join(said) or None


def untrusted(doubt: str) -> str:
    """Returns the words that stand beside a latency of which there is a doubt."""
    return f"not trustworthy: {doubt}{cause(doubt)}"


def cause(doubt: str) -> str:
    """Returns what a doubt comes from, to be put behind it: other work, where it does not itself tell of heat."""
    return "" if HEAT in doubt else "; the machine was busy"


def quietest(repeats: Sequence[Repeat]) -> list[Repeat]:
    """Returns the `REPEATS` repeats in which all files together were quickest, in their order.

    The same ones count for every file: what is compared has then been measured side by side.
    """
    medians = [[statistics.median(times) for times in repeat.times] for repeat in repeats]
    least = [min(column) for column in zip(*medians, strict=True)]
    slowness = [sum(mine / best for mine, best in zip(row, least, strict=True)) for row in medians]
    kept = sorted(sorted(range(len(repeats)), key=lambda place: slowness[place])[:REPEATS])
    return [repeats[place] for place in kept]


def mean_others(counts: Sequence[float | None]) -> float | None:
    """Returns the mean of the counts that there are, None for none."""
    known = [count for count in counts if count is not None]
    return statistics.fmean(known) if known else None


def others_running() -> float | None:
    """Returns how many processes and threads want to run now beside the one that asks; None where nothing tells.

    In a container it counts the whole machine, as `os.cpu_count` does.
    """
    try:
        return float(LOAD.read_text().split()[3].partition("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        return None
