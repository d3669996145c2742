"""`transfer.prune`: candidates are trained wider than the limits allow, narrowed to these, and then trained again."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import safetensors.torch

from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.genotype import Genotype
from nastk.genotype.skeleton import skeleton_named
from nastk.genotype.stages import StageGenotype
from nastk.jobs.transfer.baked import baked, unscaled, write_baked_shape
from nastk.jobs.transfer.failures import Failures
from nastk.jobs.transfer.fitting import fitted_recipe, with_head
from nastk.jobs.transfer.narrowed import NothingNarrowEnough, Ruler, narrowed, narrowest
from nastk.jobs.transfer.own_teacher import trained_alone
from nastk.jobs.transfer.plan import TransferPlan
from nastk.jobs.transfer.size_choice import SkeletonSizing
from nastk.jobs.transfer.sized import NoSizeFits, limited_cost, sized_network, told_number
from nastk.jobs.transfer.sizing import Limit, TooLarge
from nastk.jobs.transfer.trainings import Sized, Start
from nastk.networks.cutting import Cutting
from nastk.networks.stored import load_trained
from nastk.runs.pruned import PRUNE, PruneStep, Pruning, read_pruning, write_pruning
from nastk.training.importance import channel_scores, scored_batches
from nastk.training.initial import Initial, read_weights
from nastk.training.teacher import Teacher
from nastk.training.transfer_settings import TransferSettings

FOLDER = "unpruned"
FIRST_WEIGHTS = "pruned.safetensors"


def wide_network(folder: Path, plan: TransferPlan, key: str, genotype: Genotype) -> Sized:
    """Returns a candidate at `plan.prune` times the limits, which is known to be narrowed to them in the end.

    Raises:
        NoSizeFits: nothing of it can be narrowed, or its narrowest form breaks a limit.
        UserError: as `sized_network`.
    """
    assert plan.prune is not None and isinstance(genotype, StageGenotype)
    place = folder / FOLDER / key
    times = [
        dataclasses.replace(limit, value=limit.value * plan.prune, setting=f"{plan.prune:g} x {limit.setting}")
        for limit in plan.sizing.limits
    ]
    sizing = dataclasses.replace(plan.sizing, limits=tuple(times))
    one = Sized(genotype, with_head(genotype, sized_network(genotype, sizing, place), place), place)
    if read_pruning(place) is None:
        _check_narrows(one, plan)
    return one


def pruned_networks(
    folder: Path, plan: TransferPlan, recipe: TransferSettings, teacher: Teacher | None, networks: Sequence[Sized]
) -> list[Sized]:
    """Trains the wide networks in `<run>/unpruned/<key>` and returns what they are narrowed to, baselines as they are.

    One whose training fails is left out. What was trained or narrowed before is not again; killed, it goes on. Only the
    clock of a measured latency may say something else then.

    Args:
        folder: of the run.
        plan: of the transfer; without `prune` nothing is done.
        recipe: of all networks.
        teacher: of all networks, None for none.
        networks: of `wide_network`, and baselines.

    Raises:
        UserError: as `train_final`; a record is damaged, or of other settings.
    """
    if plan.prune is None:
        return list(networks)
    found: dict[Path, Sized] = {}
    failures = Failures()
    for one in networks:
        if one.baseline is None:
            own = fitted_recipe(plan, recipe, one.genotype, one.network, one.place)
            given = (f"{one.told} before it is narrowed", one.genotype, one.network, plan, own, one.place, teacher)
            if failures.attempt(one, functools.partial(trained_alone, *given)) is None:
                continue
            one = _narrowed(folder, plan, recipe, one)  # noqa: PLW2901
        found.setdefault(one.place, one)
    if not found:
        raise failures.none_left()
    return list(found.values())


def _check_narrows(one: Sized, plan: TransferPlan) -> None:
    wide = baked(one.genotype, one.network)
    end = narrowest(wide, Cutting(wide, unscaled(one.genotype, one.network)).lost)
    if end == wide:
        raise NoSizeFits(
            f"transfer.prune=true: {one.genotype.key[:8]}: nothing of it can be narrowed: "
            f"{', '.join(sorted(one.genotype.ops))}, of {_widths(wide)} channels; transfer.prune=false sizes it as a "
            "whole"
        )
    cost = _measure(one, plan)(end)
    for limit in plan.sizing.limits:
        if cost[limit.metric] > limit.value:
            raise NoSizeFits(
                f"{limit.setting}={limit.value:g}: {one.genotype.key[:8]}: the narrowest that it can become has "
                f"{limit.metric} {told_number(limit.metric, cost[limit.metric])}; transfer.prune=false also makes it "
                "shallower"
            )


def _narrowed(folder: Path, plan: TransferPlan, recipe: TransferSettings, one: Sized) -> Sized:
    """Returns what a trained wide network is narrowed to, in a folder of its own, with the weights it begins with."""
    record = _begun(one, plan)
    if not record.key:
        record = _narrow(one, plan, recipe, record)
    form = _form(one, record)
    place = folder / "transfer" / record.key
    own = plan.sizing.of(skeleton_named(form.skeleton))
    _claim(place, form, own, record)
    first = Initial(str(one.place / FIRST_WEIGHTS), record.weights_sha256)
    start = Start(first, one.place if plan.prune_taught else None)
    return Sized(form, unscaled(one.genotype, one.network), place, start=start)


def _claim(place: Path, form: StageGenotype, own: SkeletonSizing, record: Pruning) -> None:
    """Writes into the folder of a narrowed network what it is, unless that is there; raises UserError."""
    before = read_pruning(place)
    if before is not None and before != record:
        raise UserError(f"{place / PRUNE}: of another pruning; move the folder away to train anew")
    if before is None:
        write_baked_shape(place, form, own, record.cost)
        write_pruning(place, record)


def _begun(one: Sized, plan: TransferPlan) -> Pruning:
    """Returns the record of a pruning that goes on or is done, a new one where there is none."""
    asked = {
        "limits": {f"max_{limit.metric}": limit.value for limit in plan.sizing.limits},
        "weights_sha256": read_weights(one.place).initial.sha256,
    }
    record = read_pruning(one.place)
    if record is None:
        return Pruning(one.genotype.key, asked)
    if record.asked != asked or record.of != one.genotype.key:
        raise UserError(
            f"{one.place / PRUNE}: of a network narrowed to {record.asked.get('limits')}, asked for "
            f"{asked['limits']}, or of other weights; move the folder away to narrow anew"
        )
    return record


def _narrow(one: Sized, plan: TransferPlan, recipe: TransferSettings, record: Pruning) -> Pruning:
    """Takes the steps that are left, each recorded at once, and writes the first weights; returns the whole record."""
    trained = load_trained(one.place)
    wide = baked(one.genotype, one.network)
    cutting = Cutting(wide, unscaled(one.genotype, one.network))
    cutting.judge(channel_scores(trained.network, cutting.channels, scored_batches(plan.data, recipe, trained)))
    ruler = Ruler(_measure(one, plan), plan.sizing.limits)
    latest = _form(one, record)
    try:
        for step in narrowed(wide, latest, ruler, cutting.lost):
            taken = PruneStep(
                step.group.name,
                step.group.size(latest),
                step.group.size(step.form),
                dict(ruler.cost(latest)),
                dict(step.cost),
                step.lost,
                step.form.to_dict(),
            )
            record = dataclasses.replace(record, steps=(*record.steps, taken))
            write_pruning(one.place, record)
            _tell_step(one, taken, ruler.binding(latest))
            latest = step.form
    except NothingNarrowEnough as nothing:
        limit = ruler.binding(latest)
        raise UserError(
            f"{limit.setting}={limit.value:g}: {one.genotype.key[:8]}: as narrow as it can become it has "
            f"{limit.metric} {told_number(limit.metric, nothing.cost[limit.metric])}"
        ) from None
    weights = safetensors.torch.save(cutting.weights(latest, trained.network.state_dict()))
    write_bytes(one.place / FIRST_WEIGHTS, weights)
    digest = read_weights(one.place / FIRST_WEIGHTS).initial.sha256
    cost = dict(ruler.cost(latest))
    record = dataclasses.replace(record, key=latest.key, weights_sha256=digest, cost=cost)
    write_pruning(one.place, record)
    _tell(one, plan, record, dict(ruler.cost(wide)))
    return record


def _tell_step(one: Sized, step: PruneStep, limit: Limit) -> None:
    cost = [told_number(limit.metric, costs[limit.metric]) for costs in (step.cost_before, step.cost_after)]
    line = f"{step.group}: {step.before:g} to {step.after:g}, {limit.metric} {cost[0]} to {cost[1]}"
    print(f"transfer {one.genotype.key[:8]}: {line}", file=sys.stderr)


def _tell(one: Sized, plan: TransferPlan, record: Pruning, before: Mapping[str, float]) -> None:
    told = ", ".join(
        f"{limit.metric} {told_number(limit.metric, before[limit.metric])} to "
        f"{told_number(limit.metric, record.cost[limit.metric])} of {told_number(limit.metric, limit.value)}"
        for limit in plan.sizing.limits
    )
    line = f"narrowed to {record.key[:8]} in {len(record.steps)} steps: {told}"
    print(f"transfer {one.genotype.key[:8]}: {line}", file=sys.stderr)


def _measure(one: Sized, plan: TransferPlan) -> Callable[[StageGenotype], Mapping[str, float]]:
    """Returns what says the cost of a form of a network."""
    network = unscaled(one.genotype, one.network)

    def measure(form: StageGenotype) -> Mapping[str, float]:
        try:
            return limited_cost(form, network, plan.sizing)
        except TooLarge:
            raise UserError(f"{one.genotype.key[:8]}: no memory to measure it for transfer.prune=true") from None

    return measure


def _form(one: Sized, record: Pruning) -> StageGenotype:
    """Returns the form that the steps so far have come to; raises UserError where the record's is none."""
    if not record.steps:
        return baked(one.genotype, one.network)
    form = Genotype.from_dict(dict(record.steps[-1].genotype))
    if not isinstance(form, StageGenotype) or record.key not in ("", form.key):
        raise UserError(f"{one.place / PRUNE}: its last step is not of the network that it names; damaged")
    return form


def _widths(genotype: StageGenotype) -> str:
    return ", ".join(str(stage.width) for stage in genotype.body if stage.width)
