"""Why a network ships that is not the first of the ranking, or that breaks a limit, in a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from nastk.budget import LATENCY, MODEL_KB, over_limits
from nastk.objective import FLASH_KB, NOT_TRUSTED, RAM_KB
from nastk.runs.ranking import Ranked, ahead
from nastk.runs.shipping import Exported

SPELLED: Mapping[str, Callable[[float, float], str]] = {
    LATENCY: lambda cost, limit: "takes {} ms of at most {}".format(*_apart(cost, limit, 3)),
    "params": lambda cost, limit: f"has {cost:,.0f} parameters of at most {limit:,.0f}",
    "macs": lambda cost, limit: f"has {cost:,.0f} multiply-accumulates of at most {limit:,.0f}",
    "memory_mb": lambda cost, limit: "needs {} MB for activations of at most {}".format(*_apart(cost, limit, 2)),
    RAM_KB: lambda cost, limit: "needs {} kB for activations of at most {}".format(*_apart(cost, limit, 1)),
    FLASH_KB: lambda cost, limit: "takes {} kB of flash of at most {}".format(*_apart(cost, limit, 1)),
    MODEL_KB: lambda cost, limit: "weighs {} kB of at most {}".format(*_apart(cost, limit, 1)),
}


def ship_reason(
    order: Sequence[Exported], ranking: Sequence[Ranked], shown_ms: Mapping[str, float] | None = None
) -> str:
    """Returns the line; "" where the first of the ranking ships and keeps every limit.

    Args:
        order: of the networks that have files, the one that ships first.
        ranking: of all that were trained, each of `order` among them.
        shown_ms: latencies of the files by key as the manifests have them, which may be newer than what decided.
    """
    first, entries = order[0], {entry.key: entry for entry in ranking}
    ships, files = entries[first.key], {one.key: one for one in order}
    before = ranking[: ranking.index(ships)]
    if first.over:
        return _broken(first, ships, len(order)) + _absent(before, files)
    shown = shown_ms or {}
    stands = _stands(first, shown)
    passed = [files[entry.key] for entry in before if entry.key in files]
    if passed:
        why = f"{_better(entries[passed[0].key], ships)} but {breaks(passed[0])}{_stands(passed[0], shown)}"
        return f"the {ships.told} ships: the {entries[passed[0].key].told} {why}{_more(len(passed) - 1)}{stands}"
    if before:
        return f"the {ships.told} ships: the {before[0].told} {_better(before[0], ships)} but is not exported{stands}"
    return f"the {ships.told} ships{stands}" if stands else ""


def breaks(one: Exported) -> str:
    """Returns which limits a network breaks, and by what."""
    told = []
    for metric in over_limits(one.limits, one.costs):
        cost, limit = one.costs[metric], one.limits[metric]
        spelled = SPELLED.get(metric)
        said = spelled(cost, limit) if spelled else f"has {metric} {cost:.4g} of at most {limit:.4g}"
        told.append(said + NOT_TRUSTED * (metric == LATENCY and not one.trusted))
    return " and ".join(told)


def _broken(first: Exported, ships: Ranked, files: int) -> str:
    if files == 1:
        return f"the {ships.told} ships, the only one that is exported, although it {breaks(first)}"
    return f"no file of the {files} networks keeps every limit: the {ships.told} breaks them least, it {breaks(first)}"


def _absent(before: Sequence[Ranked], files: Mapping[str, Exported]) -> str:
    absent = next((entry for entry in before if entry.key not in files), None)
    return f"; the {absent.told}, better on held-out images, is not exported" if absent else ""


def _better(other: Ranked, ships: Ranked) -> str:
    points = 100 * (other.held_out - ships.held_out)
    if points <= 0:
        return f"was as good on held-out images and is {ahead(other, ships)}"
    return f"was {points:{'.1f' if points >= 0.05 else '.2g'}} points better on held-out images"


def _more(others: int) -> str:
    if others <= 0:
        return ""
    return f"; {others} more that {'was' if others == 1 else 'were'} better break{'s' * (others == 1)} a limit too"


def _stands(one: Exported, shown_ms: Mapping[str, float]) -> str:
    """Returns that its latency now is on the other side of the limit than the one that decided, where that is so."""
    limit, now = one.limits.get(LATENCY), shown_ms.get(one.key)
    if limit is None or now is None or (now > limit) == one.late:
        return ""
    shown, most = _apart(now, limit, 3)
    decided = "" if one.late else f"{one.costs[LATENCY]:.4g} ms of at most {limit:g} "
    return (
        f"{' when' if one.late else f'; it took {decided}when'} that was decided, and its {shown} ms now are no "
        f"further from {most} than the clock is unsure"
    )


def _apart(cost: float, limit: float, least: int) -> tuple[str, str]:
    """Returns both numbers with so many places at least that the limit is as it was given, and their distance told."""
    for places in range(least, 7):
        found = f"{cost:.{places}f}", f"{limit:.{places}f}"
        if abs(float(found[0]) - cost) <= 0.1 * abs(cost - limit) and math.isclose(float(found[1]), limit):
            break
    return found
