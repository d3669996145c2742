"""The transfer as a step: the cells that a search chose, trained larger on all training images, and ranked."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.budget import LATENCY
from nastk.data.sources.unlabelled import unlabelled_images
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.parts import make_logger, run_config
from nastk.jobs.shipping import decided
from nastk.jobs.teacher import teacher_lines
from nastk.jobs.transfer.baselines import Baseline, baseline_limits, baseline_sizing, begun_with, distinct
from nastk.jobs.transfer.candidates import transfer_candidates
from nastk.jobs.transfer.fitting import with_head
from nastk.jobs.transfer.full_size import Full, claim, full_network
from nastk.jobs.transfer.halving import begun_without
from nastk.jobs.transfer.initial import own_size
from nastk.jobs.transfer.own_teacher import own_teacher
from nastk.jobs.transfer.plan import TransferPlan, transfer_plan
from nastk.jobs.transfer.pruned import pruned_networks, wide_network
from nastk.jobs.transfer.refit import refit
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import NoSizeFits, measured_cost, recorded_cost, sized_network
from nastk.jobs.transfer.sizing import TooLarge
from nastk.jobs.transfer.survivors import trained_to_the_end
from nastk.jobs.transfer.trainings import Sized, Trainings
from nastk.outside import number_in
from nastk.progress import doing
from nastk.runs.baselines import BaselineRecord, BegunBaselines, write_baseline, write_begun
from nastk.runs.folder import held
from nastk.runs.full_size import place_of
from nastk.runs.ranking import ranked, ranked_entry, ranking_table, standing, write_ranking
from nastk.runs.steps import timed_step
from nastk.training.record import RECORD
from nastk.training.teacher import Teacher
from nastk.training.transfer_settings import AUTO, TransferSettings

__all__ = ["run_transfer", "transfer_plan"]


def run_transfer(config: DictConfig) -> list[Path]:
    """Trains the chosen candidates of `config.run` and the baselines; returns their folders, the best first.

    One candidate alone is trained on all training images. Of several networks each is trained without the validation
    images, and they are ranked by their accuracy on these, never on the test images; of more candidates than are
    wanted the better half goes on each time. A finished one is not trained again, a killed one goes on from its last
    epoch.

    Raises:
        UserError: no such run, nothing meets the limits, or one of `train_final`'s.
    """
    folder, searched = run_config(config)
    plan = transfer_plan(config, searched)
    if config.transfer.get("entrants", AUTO) == AUTO and begun_without(folder):
        plan = plan._replace(entrants=plan.top)
    logger = make_logger(config)
    with held(folder), timed_step(folder, "transfer"):
        candidates, networks, nothing = _sized(folder, plan)
        networks += _baselines(folder, plan, candidates, networks)
        if not networks:
            raise nothing[0]
        ranks = plan.ranks or any(one.baseline for one in networks)
        recipe = dataclasses.replace(plan.recipe, holdout=True) if ranks else plan.recipe
        recipe, teacher = _taught(folder, plan, recipe, networks)
        networks = pruned_networks(folder, plan, recipe, teacher, networks)
        with Trainings(folder, plan, recipe, teacher, networks, logger) as trainings:
            networks, metrics = trained_to_the_end(networks, plan.top, plan.ranks, trainings, plan.objective.balanced)
        if not ranks:
            return [one.place for one in networks]
        order = _rank(folder, plan, networks, metrics)
        refit(plan, trainings, next(one for one in networks if one.place == order[0]))
        return order


def _taught(
    folder: Path, plan: TransferPlan, recipe: TransferSettings, networks: Sequence[Sized]
) -> tuple[TransferSettings, Teacher | None]:
    """Returns the recipe and the teacher of all networks, which is trained now where it is the run's own."""
    teacher = plan.teacher
    if recipe.teacher == AUTO:
        recipe, teacher = own_teacher(folder, plan, recipe, *networks[0][:2])
    for line in teacher_lines(teacher, [one.network.size for one in networks]):
        print(f"transfer: {line}", file=sys.stderr)
    unlabelled = unlabelled_images(plan.data)
    if unlabelled is not None:
        told = f"{len(unlabelled):,} images without labels, {recipe.teacher_unlabelled:g} a step for each labelled one"
        print(f"transfer: teacher: answers to {told}", file=sys.stderr)
    return recipe, teacher


def _sized(folder: Path, plan: TransferPlan) -> tuple[list[str], list[Sized], list[NoSizeFits]]:
    """Returns the candidates' keys, the networks to train, all sized before the first is, and why others do not fit."""
    candidates = transfer_candidates(folder, plan.entrants, plan.accuracy_alone, plan.objective)
    networks: dict[Path, Sized] = {}  # two candidates may grow into one network
    left_out: list[NoSizeFits] = []
    for key, genotype in candidates:
        own = genotype.own_network.get("stem", plan.stem)
        if plan.stem not in (None, own):
            raise UserError(f"transfer.stem={plan.stem}: {key[:8]} was searched with stem {own}, which it chose itself")
        try:
            one = _candidate(folder, plan, key, genotype)
            if one.place in networks:
                print(
                    f"transfer: {key[:8]} grows into {one.told}, which another has become; trained once",
                    file=sys.stderr,
                )
            networks.setdefault(one.place, one)
        except NoSizeFits as nothing:
            left_out.append(nothing)
    for reason in left_out:
        print(f"transfer: left out: {reason}", file=sys.stderr)
    return [key for key, _ in candidates], list(networks.values()), left_out


def _candidate(folder: Path, plan: TransferPlan, key: str, genotype: Genotype) -> Sized:
    """Returns a candidate in its size; one that will be narrowed in the wide one."""
    if plan.prune is not None:
        return wide_network(folder, plan, key, genotype)
    with doing(f"sizing {key[:8]} to the limits"):
        (form, network), place = _in_size(folder, plan, genotype, plan.sizing, None)
    claim(folder, genotype, plan.sizing, place)
    return Sized(form, with_head(form, network, place), place)


def _in_size(
    folder: Path, plan: TransferPlan, genotype: Genotype, sizing: Sizing, baseline: str | None
) -> tuple[Full, Path]:
    """Returns a network in its size; one for which weights to begin with are named keeps the proportions of these."""
    if plan.init.of(baseline) is None:
        return full_network(folder, genotype, sizing)
    place = folder / "transfer" / genotype.key
    return Full(genotype, sized_network(genotype, sizing, place)), place


class _MetError(UserError):
    """A baseline grows into what another network has become, which is trained once and goes by the other's name."""


def _baselines(folder: Path, plan: TransferPlan, candidates: Sequence[str], searched: Sequence[Sized]) -> list[Sized]:
    """Returns the baselines to train, sized like the searched networks; those that fit in no size are left out.

    What was left out before stays so: whether images are held out must not hang on a second measurement.
    """
    shape = plan.sizing.network
    asked, begun = begun_with(folder, plan.baselines, shape, alone=not plan.ranks)
    networks: list[Sized] = []
    left_out = dict(begun.left_out)
    for one in distinct(asked, candidates, folder):
        if one.name not in left_out:
            try:
                networks.append(_baseline(folder, plan, one, [*searched, *networks]))
            except _MetError as met:
                left_out[one.name] = str(met)
            except UserError as nothing:
                if any((place_of(folder, form.key) / RECORD).exists() for form in one.forms):
                    raise  # it was sized otherwise, and its training has begun
                left_out[one.name] = str(nothing)
        if one.name in left_out:
            print(f"transfer: left out: baseline {one.name}: {left_out[one.name]}", file=sys.stderr)
    if asked:
        write_begun(folder, BegunBaselines(tuple(str(one.baseline) for one in networks), left_out))
    return networks


def _baseline(folder: Path, plan: TransferPlan, one: Baseline, others: Sequence[Sized]) -> Sized:
    """Returns a baseline in the first of its forms that fits in some size; raises UserError where none does.

    `others` come before it, the searched ones first; one that it turns out to be is not trained twice.
    """
    searched = [other for other in others if other.baseline is None]
    for place, genotype in enumerate(one.forms, start=1):
        print(f"transfer: {genotype.key[:8]} is the baseline {one.name}", file=sys.stderr)
        first = searched[0] if searched else None
        sizing = _baseline_sizing(plan, one.name, genotype, first, place_of(folder, genotype.key))
        try:
            with doing(f"sizing {one.name} to the limits"):
                (form, network), home = _in_size(folder, plan, genotype, sizing, one.name)
        except NoSizeFits:
            if place == len(one.forms):
                raise
            continue
        known = next((other for other in others if other.place == home), None)
        if known is not None:
            raise _MetError(f"it grows into {known.told}, which is trained once")
        claim(folder, genotype, sizing, home)
        write_baseline(home, BaselineRecord(one.name, {limit.metric: limit.value for limit in sizing.limits}))
        return Sized(form, with_head(form, network, home), home, one.name)
    raise AssertionError("a baseline has a form")


def _baseline_sizing(plan: TransferPlan, name: str, genotype: Genotype, first: Sized | None, home: Path) -> Sizing:
    """Returns how a baseline gets its size: to limits, or as it is published where weights for it are named."""
    if name not in plan.init.named:
        limits = baseline_limits(plan.sizing, None if first is None else first[:2], home)
        return baseline_sizing(plan.sizing, limits)
    sizing = baseline_sizing(plan.sizing, plan.sizing.limits)
    return dataclasses.replace(sizing, network=dataclasses.replace(sizing.network, sizes=own_size(genotype)))


def _rank(
    folder: Path, plan: TransferPlan, networks: Sequence[Sized], metrics: Sequence[Mapping[str, Any]]
) -> list[Path]:
    """Writes and prints the ranking; returns the networks' folders in its order."""
    entries = [
        ranked_entry(folder, one.place, found, _cost(plan, one), plan.objective.balanced)
        for one, found in zip(networks, metrics, strict=True)
    ]
    if any(one.baseline for one in networks):
        entries = [
            dataclasses.replace(entry, baseline=one.baseline, seconds=number_in(found, "seconds", str(one.place)))
            for entry, one, found in zip(entries, networks, metrics, strict=True)
        ]
    order = ranked(entries)
    write_ranking(folder, order)
    print(f"Ranked by {order[0].metric} on held-out training images:\n{ranking_table(order)}", file=sys.stderr)
    said = standing(order, order[0].key)
    if said:
        if_kept = ", if its file keeps the limits" if plan.sizing.limits else ""
        print(f"transfer: {said}: it is the one to ship{if_kept}", file=sys.stderr)
    decided(folder)
    return [folder / entry.folder for entry in order]


def _cost(plan: TransferPlan, one: Sized) -> Mapping[str, float]:
    """Returns what the network costs, its latency among it where that can be measured."""
    cost = recorded_cost(one.place) or {}
    if LATENCY not in cost and plan.target is not None:
        try:
            return measured_cost(one.genotype, one.network, plan.target)
        except TooLarge:
            return {}
        except UserError:
            if one.baseline is None:
                raise
            return cost  # a table of the space's operations does not know the baseline's
    return cost
