"""Which network of a run ships: decided here alone, whenever what it hangs on has changed, and kept in ship.json."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nastk.budget import LATENCY, MODEL_KB, PREFIX, over_limits
from nastk.cli.wish_words import KILOBYTE
from nastk.deploy.export.conclusions import micro_costs, recorded_budget, times_decide
from nastk.deploy.manifest import MANIFEST
from nastk.deploy.targets import Target
from nastk.errors import UserError
from nastk.jobs.network_budget import network_budget
from nastk.jobs.timed_again import timed_again
from nastk.jobs.transfer.clock import DOUBT, margin_of
from nastk.objective import STEADY
from nastk.reports.shipped import read_shipped
from nastk.runs.ranking import Ranked, read_ranking
from nastk.runs.schema import Object, read_object
from nastk.runs.ship_reason import ship_reason
from nastk.runs.shipping import (
    Exported,
    Shipping,
    forget_shipping,
    read_shipping,
    shipping_order,
    standing_by,
    write_shipping,
)


def decided(
    run: Path, target: Target | None = None, seconds: float = 1.0, max_kb: float | None = None
) -> Shipping | None:
    """Decides which exported network of a run ships, and writes that down.

    A network that a latency over its limit would cost its place is timed once more, in turn with the one that would
    take it; the quicker of the two counts. What was decided before stands until a latency clearly says otherwise.

    Args:
        run: its folder.
        target: that its files were timed on; None to time nothing again.
        seconds: of timing a file.
        max_kb: kilobytes that the file may have; None for what was said before.

    Returns:
        What was decided; None where no ranked network is exported.

    Raises:
        UserError: the ranking is damaged, a file cannot be written or timed.
    """
    ranking, before = read_ranking(run), decided_before(run)
    if max_kb is None and before is not None:
        max_kb = before.max_kb
    networks, shown_ms = _exported(run, ranking, before, max_kb)
    if not networks:
        forget_shipping(run)
        return None
    again = _in_question(shipping_order(networks, ranking), ranking, before)
    timed = timed_again(run, again, target, seconds) if again and target is not None else set()
    if timed:
        networks, shown_ms = _exported(run, ranking, before, max_kb)
    known = _found_late(before)
    order = tuple(
        replace(one, timed_again=one.late and (one.key in timed or _asked(one) in known))
        for one in shipping_order(networks, ranking)
    )
    shipping = Shipping(order, ship_reason(order, ranking, shown_ms), max_kb)
    if shipping != before:
        write_shipping(run, shipping)
    return shipping


def decided_before(run: Path) -> Shipping | None:
    """Returns what was decided before; what is damaged is decided anew."""
    try:
        return read_shipping(run)
    except UserError:
        return None


def _exported(
    run: Path, ranking: Sequence[Ranked], before: Shipping | None, max_kb: float | None
) -> tuple[list[Exported], dict[str, float]]:
    """Returns the networks of a ranking that have files, and the latencies that their manifests show, by key."""
    known = {one.key: one for one in before.networks} if before is not None else {}
    networks, shown_ms = [], {}
    for entry in ranking:
        folder = run / "export" / entry.key
        try:
            manifest = read_object(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
            one = None if manifest is None else _network(run, entry, manifest, max_kb)
        except UserError as error:
            print(f"note: {error}; it was not counted among what may ship", file=sys.stderr)
            continue
        if one is not None:
            networks.append(standing_by(one, known.get(entry.key)))
            if LATENCY in one.costs:
                shown_ms[entry.key] = one.costs[LATENCY]
    return networks, shown_ms


def _network(run: Path, entry: Ranked, manifest: Object, max_kb: float | None) -> Exported | None:
    """Returns what a manifest says of the file to ship; None where it recommends none."""
    key = entry.key
    shipped = read_shipped(manifest, run / "export" / key)
    file = next((file for file in shipped.files if file.precision == shipped.recommended), None)
    if file is None:
        return None
    budget = recorded_budget(manifest) or network_budget(run / "transfer" / key, run)
    for name, limit in budget.limits.items():
        if limit <= 0:
            raise UserError(f"{run / 'export' / key}: made for {PREFIX}{name}={limit:g}, expected a number above 0")
    costs = {
        "params": shipped.params if shipped.params is not None else float(entry.params),
        "macs": shipped.macs,
        "memory_mb": budget.memory_mb,
        **_micro_costs(manifest, file.file),
        LATENCY: file.p50_ms if _times_decide(manifest) else None,
        MODEL_KB: None if file.size_bytes is None else file.size_bytes / KILOBYTE,
    }
    entries = manifest.get("files")
    facts = entries.get(file.file) if isinstance(entries, Mapping) else None
    return Exported(
        key,
        file.file,
        str(facts.get("sha256", "")) if isinstance(facts, Mapping) else "",
        {**budget.limits, **({} if max_kb is None else {MODEL_KB: max_kb})},
        {name: cost for name, cost in costs.items() if cost is not None},
        max(margin_of({STEADY: float(not file.doubt)}), file.spread or 0.0),
        not file.doubt,
    )


def _micro_costs(manifest: Object, file: str) -> dict[str, float | None]:
    try:
        return micro_costs(manifest["targets"][manifest["target"]], file)
    except (KeyError, TypeError, AttributeError):
        return {}


def _times_decide(manifest: Object) -> bool:
    try:
        return times_decide(manifest["targets"][manifest["target"]])
    except (KeyError, TypeError, AttributeError):
        return True


def _in_question(order: Sequence[Exported], ranking: Sequence[Ranked], before: Shipping | None) -> list[Exported]:
    """Returns the networks to time again, the one that would ship last; none where nothing hangs on a latency.

    In question is what breaks the limit on the latency alone, was not found to break it before, and would ship if it
    did not: it is ranked before the one that ships, or that one breaks a limit itself.
    """
    places = {entry.key: place for place, entry in enumerate(ranking)}
    found_late = _found_late(before)
    ships = order[0]
    doubtful = [
        one
        for one in order
        if one.late
        and list(over_limits(one.limits, one.costs)) == [LATENCY]
        and one.costs[LATENCY] < DOUBT * one.limits[LATENCY]
        and _asked(one) not in found_late
        and (ships.over or places[one.key] < places[ships.key])
    ]
    others = [one for one in doubtful if one is not ships]
    return [*others, ships] if others or (doubtful and len(order) > 1) else []


def _asked(one: Exported) -> tuple[str, str, float]:
    """Returns what has to be the same for an earlier answer to hold: the network, the hash of its file, the limit."""
    return one.key, one.sha256, one.limits[LATENCY]


def _found_late(before: Shipping | None) -> set[tuple[str, str, float]]:
    """Returns what was over its limit when it was timed again too, as `_asked` has it."""
    earlier = before.networks if before is not None else ()
    return {_asked(one) for one in earlier if one.late and one.timed_again}
