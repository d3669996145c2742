"""The size of each network that a transfer trains: given, or picked to meet the limits and kept in shape.json."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from nastk.budget import LATENCY
from nastk.deploy.cost.sources import Costing
from nastk.deploy.runtimes.suspects import FileFailed
from nastk.errors import UserError
from nastk.files import cannot_write, write_json
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.jobs.transfer.size_choice import Sizing, SkeletonSizing
from nastk.jobs.transfer.sizing import (
    Limit,
    NetworkSize,
    NothingFits,
    Picked,
    TooLarge,
    pick_shape,
)
from nastk.networks import NetworkConfig, build_network, count_macs, count_parameters
from nastk.objective import NOT_TRUSTED, STEADY
from nastk.outside import as_object, number_in, read_json, read_object
from nastk.runs.baselines import BASELINE
from nastk.training.failure import TrainingError, memory_errors_named
from nastk.training.record import RECORD, SHAPE

SCHEMA = 1
COUNTED = ("params", "macs")
ASKED = ("limits", "given", "start", "network", "target")


class NoSizeFits(UserError):  # noqa: N818 - of several cells some may fit
    """These cells break the limits in every size; the message says by how much in the smallest."""


def sized_network(genotype: Genotype, sizing: Sizing, folder: Path) -> NetworkConfig:
    """Returns the network to train in `folder`, of the size recorded there, or else given or measured and recorded.

    A folder that is gone on with keeps its size: a second measurement could pick another.

    Raises:
        NoSizeFits: nothing meets the limits.
        UserError: the folder holds a network that was sized otherwise, or the target does not measure what is limited.
    """
    skeleton = skeleton_named(genotype.skeleton)
    sizing = dataclasses.replace(sizing, network=sizing.network.of(genotype))
    if not sizing.limits:
        return sizing.network.complete(skeleton)
    own = sizing.of(skeleton)
    recorded = _recorded(folder, own)
    if recorded is not None:
        return own.config(recorded)
    picked = _picked(genotype, own)
    write_shape(folder, genotype, own, picked)
    _tell(genotype, own, picked, folder)
    return own.config(picked.shape)


def write_shape(folder: Path, genotype: Genotype, own: SkeletonSizing, picked: Picked) -> None:
    """Writes a network's size, its cost and what it was picked by into its folder, which is made; raises UserError."""
    record = {
        "schema": SCHEMA,
        "key": genotype.key,
        **own.sizes(picked.shape),
        "cost": dict(picked.cost),
        **own.asked(),
        "measured": [{**own.sizes(shape), "cost": dict(cost)} for shape, cost in picked.measured],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    write_json(folder / SHAPE, record)


def recorded_cost(folder: Path) -> Mapping[str, float] | None:
    """Returns what shape.json says the network costs, or None where there is none."""
    path = folder / SHAPE
    if not path.exists():
        return None
    cost = as_object(read_object(path).get("cost"), f"{path}: cost")
    return {name: value for name in cost if (value := number_in(cost, name, f"{path}: cost")) is not None}


def measured_cost(genotype: Genotype, network: NetworkConfig, target: Costing) -> Mapping[str, float]:
    """Returns what the untrained network costs on the target.

    Raises:
        TooLarge: there is no memory for it, or it ended twice what measures it.
    """
    try:
        with memory_errors_named():
            return target.cost(genotype, network)
    except TrainingError as error:
        raise TooLarge(error.reason) from None
    except FileFailed as error:
        raise TooLarge(str(error)) from None


def counted_cost(genotype: Genotype, network: NetworkConfig) -> Mapping[str, float]:
    """Returns parameters and multiply-accumulates of the network that is deployed, without the auxiliary head."""
    deployed = dataclasses.replace(network, auxiliary=False)
    with torch.device("meta"):
        built = build_network(genotype, deployed)
    return {"params": count_parameters(built, auxiliary=False), "macs": count_macs(built, deployed)}


def limited_cost(genotype: Genotype, network: NetworkConfig, sizing: Sizing) -> Mapping[str, float]:
    """Returns what a network costs, every limited metric of it, measured only where it cannot be counted.

    Raises:
        TooLarge: there is no memory for it.
        UserError: the target does not measure what is limited.
    """
    target = sizing.target if any(limit.metric not in COUNTED for limit in sizing.limits) else None
    cost = counted_cost(genotype, network) if target is None else measured_cost(genotype, network, target)
    for limit in sizing.limits:
        if limit.metric not in cost:
            raise UserError(
                f"{limit.setting}={limit.value:g}: the target does not measure {limit.metric}, "
                f"it measures {', '.join(sorted(cost)) or 'no cost'}"
            )
    return cost


def _picked(genotype: Genotype, own: SkeletonSizing) -> Picked:
    sizing = own.sizing

    def measure(size: NetworkSize) -> Mapping[str, float]:
        return limited_cost(genotype, own.config(size), sizing)

    # A size that the user names is taken before a limit that is the search's: the one is newer than the other.
    binding = [limit for limit in sizing.limits if not own.fixed or limit.setting.startswith("transfer.")]
    try:
        return pick_shape(measure, binding, own.free)
    except NothingFits as nothing:
        raise _nothing_fits(genotype, own, binding, nothing) from None


def _nothing_fits(genotype: Genotype, own: SkeletonSizing, limits: Sequence[Limit], nothing: NothingFits) -> NoSizeFits:
    what = "the given size" if own.fixed else "nothing fits: the smallest size"
    start = f"{genotype.key[:8]}: {what}, {own.told(nothing.shape)}"
    if nothing.cost is None:
        return NoSizeFits(f"{start}, does not go into memory")
    cost = nothing.cost
    worst = max(limits, key=lambda limit: cost[limit.metric] / limit.value)
    return NoSizeFits(
        f"{worst.setting}={worst.value:g}: {start}, has {worst.metric} {told_number(worst.metric, cost[worst.metric])}"
        f"{NOT_TRUSTED if worst.metric == LATENCY and cost.get(STEADY) == 0 else ''}"
    )


def _recorded(folder: Path, own: SkeletonSizing) -> NetworkSize | None:
    """Returns the size in shape.json; None where there is none, or another that nothing was trained with yet."""
    path = folder / SHAPE
    if not path.exists():
        return None
    found = read_json(path)
    try:
        depth, width = (size.checked(found[size.name]) for size in own.skeleton.sizes)
        before = {name: found[name] for name in ASKED}
        dict(found["cost"])
    except (KeyError, TypeError, ValueError, UserError):
        names = ", ".join(own.skeleton.names)
        raise UserError(f"{path}: {names}, cost or limits are missing; damaged, put back a copy") from None
    if before == own.asked():
        return NetworkSize(depth, width)
    if {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")} <= {SHAPE, RECORD, BASELINE}:
        return None
    name = next(name for name in ASKED if before[name] != own.asked()[name])
    raise UserError(
        f"{folder}: holds a network sized otherwise ({name} {before[name]} there, {own.asked()[name]} here); "
        "use the same settings to go on, or move the folder away to train anew"
    )


def _tell(genotype: Genotype, own: SkeletonSizing, picked: Picked, folder: Path) -> None:
    def told(limit: Limit) -> str:
        cost = told_number(limit.metric, picked.cost[limit.metric])
        return f"{limit.metric} {cost} of {told_number(limit.metric, limit.value)} ({limit.setting})"

    limits = ", ".join(told(limit) for limit in own.sizing.limits)
    largest = picked.shape == NetworkSize(own.free.depths[-1], own.free.widths[-1])
    size = own.told(picked.shape) + (", the largest there is" if largest else "")
    print(
        f"transfer {genotype.key[:8]}: {size}; {limits}; {len(picked.measured)} sizes measured",
        file=sys.stderr,
    )
    doubtful = sum(cost.get(STEADY) == 0 for _, cost in picked.measured)
    if doubtful:
        print(
            f"warning: {doubtful} of {len(picked.measured)} sizes were timed while the machine was busy with something "
            f"else: this one may be smaller than it need be; move {folder} away and transfer anew on a machine "
            "that does nothing else",
            file=sys.stderr,
        )
    for limit in own.sizing.limits:
        if picked.cost[limit.metric] > limit.value:
            print(f"warning: {told(limit)} is broken by the given {' and '.join(own.skeleton.names)}", file=sys.stderr)


def told_number(metric: str, value: float) -> str:
    """Returns a cost for a person to read."""
    return f"{value:,.0f}" if metric in COUNTED else f"{value:.4g}"
