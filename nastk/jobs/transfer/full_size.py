"""Candidates of stages in the size that uses the limits: two factors bring them near, then single stages grow."""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from nastk.budget import LATENCY
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.genotype.stages import StageGenotype
from nastk.jobs.filling import ENOUGH, filled_surely
from nastk.jobs.transfer.baked import baked, unscaled, write_baked_shape
from nastk.jobs.transfer.narrowed import Ruler
from nastk.jobs.transfer.size_choice import Sizing, SkeletonSizing
from nastk.jobs.transfer.sized import limited_cost, sized_network, told_number, write_shape
from nastk.jobs.transfer.sizing import Picked, TooLarge
from nastk.networks import NetworkConfig
from nastk.runs.full_size import FULL, SIZED, FullSize, place_of, read_full_size, write_full_size
from nastk.training.record import RECORD, SHAPE

# Of a latency, that a form may grow to: the trained file is timed on another day, and a clock wanders by a few percent.
MOST = 0.985
# Of a limit, that a candidate has to use which the search has brought to it: its own clock found 0.97 and more.
JUDGED = 0.9


class Full(NamedTuple):
    """A network that uses the limits: a genotype and its configuration; what has grown is built by its own numbers."""

    genotype: Genotype
    network: NetworkConfig


def fills(genotype: Genotype, sizing: Sizing) -> bool:
    """Says whether a network has stages that may grow, and limits to grow to; a size that the user gives stays."""
    if not isinstance(genotype, StageGenotype) or not sizing.limits:
        return False
    free = sizing.of(skeleton_named(genotype.skeleton)).free
    return free.depth is None and free.width is None


def full_network(run: Path, genotype: Genotype, sizing: Sizing) -> tuple[Full, Path]:
    """Returns a network of a run in the size that uses the limits, and the folder to train it in, see `claim`.

    Of one that has grown that is `transfer/<key>` of what it has become: two networks may become the same.

    Args:
        run: folder.
        genotype: of a candidate or a baseline; one that an earlier version sized by two factors alone stays as it is.
        sizing: to which limits.

    Raises:
        NoSizeFits: nothing meets the limits.
        UserError: it was sized to other limits and its training has begun, or a record is damaged.
    """
    place = run / "transfer" / genotype.key
    before = (place / SHAPE).exists() and not (place / FULL).exists()
    if before or not fills(genotype, sizing):
        return Full(genotype, sized_network(genotype, sizing, place)), place
    work = run / SIZED / genotype.key
    record = read_full_size(work)
    if record is not None and (place_of(run, genotype.key) / RECORD).exists():
        _check_asked(work / FULL, record, _own(genotype, sizing))
    full = full_size(genotype, sizing, work)
    return full, place_of(run, genotype.key)


def claim(run: Path, genotype: Genotype, sizing: Sizing, place: Path) -> None:
    """Writes into the folder of a network that has grown what it is, unless that is there; others say it themselves.

    Args:
        run: folder.
        genotype: of the candidate or baseline, as in `full_network`.
        sizing: to which limits.
        place: of `full_network`.
    """
    record = read_full_size(run / SIZED / genotype.key)
    if record is None or record.key != place.name:
        return
    if read_full_size(place) is None and not (place / RECORD).exists():
        form = Genotype.from_dict(dict(record.genotype))
        write_baked_shape(place, form, _own(form, sizing), record.cost)
        write_full_size(place, record)


def full_size(genotype: Genotype, sizing: Sizing, work: Path) -> Full:
    """Returns a network of the size that uses the limits, recorded in `work`: the one there, unless limits are others.

    Args:
        genotype: of any network; one that cannot grow gets its two factors.
        sizing: to which limits.
        work: folder of shape.json, the two factors, and full.json.

    Raises:
        NoSizeFits: nothing meets the limits.
        UserError: a record is damaged.
    """
    if not isinstance(genotype, StageGenotype) or not fills(genotype, sizing):
        return Full(genotype, sized_network(genotype, sizing, work))
    own = _own(genotype, sizing)
    record = read_full_size(work)
    if record is not None and record.asked != own.asked():
        (work / FULL).unlink()
        record = None
    if record is None and sizing.judged:
        record = _as_judged(genotype, own, work)
    network = sized_network(genotype, sizing, work)
    if record is None:
        record = _grown(genotype, network, own)
    if not (work / FULL).exists():
        write_full_size(work, record)
    form = Genotype.from_dict(dict(record.genotype))
    if form.key != record.key or record.of != genotype.key:
        raise UserError(f"{work / FULL}: its genotype is not the one that it names; damaged")
    return Full(form, unscaled(genotype, network))


def _own(genotype: Genotype, sizing: Sizing) -> SkeletonSizing:
    sizing = dataclasses.replace(sizing, network=sizing.network.of(genotype))
    return sizing.of(skeleton_named(genotype.skeleton))


def _check_asked(path: Path, before: FullSize, own: SkeletonSizing) -> None:
    asked = own.asked()
    for name, value in asked.items():
        if before.asked.get(name) != value:
            raise UserError(
                f"{path}: of a network sized otherwise ({name} {before.asked.get(name)} there, {value} here), and its "
                "training has begun; use the same settings to go on, or move the run's transfer folder away"
            )


def _as_judged(genotype: StageGenotype, own: SkeletonSizing, work: Path) -> FullSize | None:
    """Returns the record of a candidate as the search judged it, and writes its size; None where this clock disagrees.

    What is trained then is what was compared: a form that is grown anew by the noise of a clock is another network.
    """
    network = own.config(own.free.start)
    form, ruler = baked(genotype, network), _ruler(genotype, network, own)
    limit, cost = ruler.binding(form), ruler.cost(form)
    if not JUDGED <= cost[limit.metric] / limit.value <= 1:
        return None
    write_shape(work, genotype, own, Picked(own.free.start, cost, [(own.free.start, cost)]))
    print(f"transfer {genotype.key[:8]}: as the search judged it: {_used(ruler, form)}", file=sys.stderr)
    return FullSize(genotype.key, own.sizes(own.free.start), own.asked(), form.key, form.to_dict(), dict(cost))


def _grown(genotype: StageGenotype, network: NetworkConfig, own: SkeletonSizing) -> FullSize:
    """Returns the record of a network whose single stages have grown as far as the limits have room."""
    uniform, ruler = baked(genotype, network), _ruler(genotype, network, own)
    full = filled_surely(uniform, functools.partial(_share, ruler), functools.partial(_holds, ruler))
    _tell(genotype, uniform, full, ruler)
    return FullSize(
        genotype.key,
        own.skeleton.complete(network.sizes),
        own.asked(),
        full.key,
        full.to_dict(),
        dict(ruler.cost(full)),
    )


def _ruler(genotype: StageGenotype, network: NetworkConfig, own: SkeletonSizing) -> Ruler:
    return Ruler(_measure(unscaled(genotype, network), own.sizing), own.sizing.limits)


def _used(ruler: Ruler, form: StageGenotype) -> str:
    """Returns how much of the limit that binds a form uses, for a person to read."""
    limit = ruler.binding(form)
    cost = ruler.cost(form)[limit.metric]
    return f"{limit.metric} {told_number(limit.metric, cost)} of {told_number(limit.metric, limit.value)}"


def _share(ruler: Ruler, form: StageGenotype) -> float:
    """Returns the share of the limit that binds; infinity where a limit or the room beside a latency is not kept."""
    limit = ruler.binding(form)
    share = ruler.cost(form)[limit.metric] / limit.value
    return share if ruler.used(form) <= 1 and (limit.metric != LATENCY or share <= MOST) else math.inf


def _holds(ruler: Ruler, form: StageGenotype) -> bool:
    """Says whether a fresh clock finds a form within its limits too, as the search asks of its candidates."""
    limit = ruler.binding(form)
    return ruler.cost(form, anew=limit.metric == LATENCY)[limit.metric] <= limit.value


def _measure(network: NetworkConfig, sizing: Sizing) -> Callable[[StageGenotype], Mapping[str, float]]:
    def measure(form: StageGenotype) -> Mapping[str, float]:
        try:
            return limited_cost(form, network, sizing)
        except TooLarge:
            return {limit.metric: math.inf for limit in sizing.limits}

    return measure


def _tell(genotype: StageGenotype, uniform: StageGenotype, full: StageGenotype, ruler: Ruler) -> None:
    told, limit = _used(ruler, full), ruler.binding(full)
    if full == uniform:
        if ruler.cost(full)[limit.metric] < ENOUGH * limit.value:
            print(f"transfer {genotype.key[:8]}: no single stage has room to grow: {told}", file=sys.stderr)
        return
    widths = ", ".join(f"{stage.width}" for stage in full.body if stage.width)
    print(f"transfer {genotype.key[:8]}: grown to {full.key[:8]}, widths {widths}: {told}", file=sys.stderr)
