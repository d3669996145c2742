"""ship.json: which of a run's exported networks ships, and why: what keeps every limit goes before what breaks one.

Among those that keep them the ranking on held-out images decides; where none does, what breaks them least ships.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nastk.budget import LATENCY, over_limits
from nastk.errors import UserError
from nastk.files import cannot_write, write_json
from nastk.outside import as_object, number_in
from nastk.runs.ranking import Ranked, read_ranks
from nastk.runs.schema import SCHEMA, Object, read_object

SHIP = "ship.json"
ANEW = "damaged, export again to write it anew"


@dataclass(frozen=True)
class Exported:
    """The file to ship of a ranked network, as it was decided on.

    Attributes:
        key: of its genotype.
        file: its name.
        sha256: of it.
        limits: that it has to keep, by metric: those of `nastk.objective.LIMITED`, and "model_kb" of the file.
        costs: what is known of it, by metric; the latency that decided, which may be of before the one that the
            manifest shows.
        uncertainty: share of the limit within which a latency says neither that it is kept nor that it is broken.
        trusted: whether nothing speaks against its latency.
        timed_again: whether that is over the limit although the file was timed again, in turn with its rival.
    """

    key: str
    file: str
    sha256: str
    limits: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    uncertainty: float = 0.0
    trusted: bool = True
    timed_again: bool = False

    @property
    def over(self) -> float:
        """By what share it breaks its limits, their sum; 0 where it keeps all. What is not known breaks nothing."""
        return math.fsum(over_limits(self.limits, self.costs).values())

    @property
    def late(self) -> bool:
        """Whether its latency is over the limit."""
        return LATENCY in over_limits(self.limits, self.costs)

    @property
    def near(self) -> bool:
        """Whether its latency is as near to the limit as the clock is unsure."""
        cost, limit = self.costs.get(LATENCY), self.limits.get(LATENCY)
        return cost is not None and limit is not None and abs(cost / limit - 1) <= self.uncertainty


@dataclass(frozen=True)
class Shipping:
    """What was decided.

    Attributes:
        networks: that have files, the one that ships first.
        why: in a line, where it is not the first of the ranking, or breaks a limit; else "".
        max_kb: kilobytes that the file may have, as the command said; None for no such limit.
    """

    networks: tuple[Exported, ...]
    why: str = ""
    max_kb: float | None = None

    def same(self, other: Shipping) -> bool:
        """Returns whether the same network ships for the same reason, whatever else was measured."""
        return (self.networks[0].key, self.why) == (other.networks[0].key, other.why)


def shipping_order(networks: Sequence[Exported], ranking: Sequence[Ranked]) -> tuple[Exported, ...]:
    """Returns the networks as they would ship: by what they break, then by their rank, which every one has."""
    places = {entry.key: place for place, entry in enumerate(ranking)}
    return tuple(sorted(networks, key=lambda one: (one.over, places[one.key])))


def standing_by(new: Exported, earlier: Exported | None) -> Exported:
    """Returns a network with the latency that decided on it earlier, where the new one gives no reason to decide anew.

    A latency near its limit falls on this side of it today and on that side tomorrow: what was decided must not, as
    long as file and limit are the same and the earlier latency was not clearly above it.
    """
    if earlier is None or (new.sha256, dict(new.limits)) != (earlier.sha256, dict(earlier.limits)) or not new.near:
        return new
    before, limit = earlier.costs.get(LATENCY), new.limits[LATENCY]
    if before is None or before > limit * (1 + max(new.uncertainty, earlier.uncertainty)):
        return new
    return Exported(**{**vars(new), "costs": {**new.costs, LATENCY: before}})


def write_shipping(run: Path, shipping: Shipping) -> None:
    """Writes ship.json into a run folder; raises UserError where it cannot be written."""
    networks = [{**asdict(one), "over": one.over} for one in shipping.networks]
    data = {"schema": SCHEMA, "ships": networks[0]["key"], "why": shipping.why, "max_model_kb": shipping.max_kb}
    write_json(run / SHIP, {**data, "networks": networks})


def forget_shipping(run: Path) -> None:
    """Takes ship.json away, where there is one; raises UserError where that cannot be."""
    try:
        (run / SHIP).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(run / SHIP, error) from None


def read_shipping(run: Path) -> Shipping | None:
    """Returns what was decided, None where nothing was, as in runs of before; raises UserError where it is damaged."""
    path = run / SHIP
    if not path.exists():
        return None
    data = read_object(path)
    entries = data.get("networks")
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: networks {entries!r:.60}, expected a list; {ANEW}")
    networks = tuple(_exported(as_object(entry, f"{path}: network"), path) for entry in entries)
    return Shipping(networks, str(data.get("why") or ""), number_in(data, "max_model_kb", str(path)))


def ship_places(run: Path) -> dict[str, int]:
    """Returns the place of each ranked network, from 1: as it was decided, and where nothing was, as they are ranked.

    What has files goes first: a network without any cannot ship.

    Raises:
        UserError: the ranking or ship.json is damaged.
    """
    ranks, shipping = read_ranks(run), read_shipping(run)
    decided = [one.key for one in shipping.networks] if shipping is not None else []
    there = [key for key in decided if key in ranks and (run / "export" / key / "manifest.json").is_file()]
    keys = dict.fromkeys([*there, *sorted(ranks, key=lambda key: ranks[key])])
    return {key: place for place, key in enumerate(keys, start=1)}


def _exported(entry: Object, path: Path) -> Exported:
    key, file, digest = (entry.get(name) for name in ("key", "file", "sha256"))
    limits, costs = (_numbers(entry, name, path) for name in ("limits", "costs"))
    named = isinstance(key, str) and isinstance(file, str) and isinstance(digest, str) and key and file
    if not named or any(limit <= 0 for limit in limits.values()):
        raise UserError(f"{path}: a network without key, file, sha256 or limits above 0; {ANEW}")
    uncertainty = number_in(entry, "uncertainty", str(path)) or 0.0
    trusted, again = entry.get("trusted") is not False, entry.get("timed_again") is True
    return Exported(str(key), str(file), str(digest), limits, costs, uncertainty, trusted, again)


def _numbers(entry: Object, name: str, path: Path) -> dict[str, float]:
    found = as_object(entry.get(name), f"{path}: {name}")
    known = {metric: number_in(found, metric, f"{path}: {name}") for metric in found}
    return {metric: value for metric, value in known.items() if value is not None}
