"""The transfer as a step: the cells that a search chose, trained larger on all training images, and ranked."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.jobs.loggers import Log, NoLogger
from nastk.jobs.parts import make_logger, run_config
from nastk.jobs.transfer.candidates import transfer_candidates
from nastk.jobs.transfer.fitting import fitted_recipe, with_head
from nastk.jobs.transfer.plan import TransferPlan, transfer_plan
from nastk.jobs.transfer.progress import TransferProgress
from nastk.jobs.transfer.sized import NoSizeFits, measured_cost, recorded_cost, sized_network
from nastk.jobs.transfer.sizing import LATENCY, TooLarge
from nastk.networks import NetworkConfig
from nastk.runs.folder import held
from nastk.runs.ranking import ranked, ranked_entry, ranking_table, write_ranking
from nastk.training.transfer import METRICS, train_final

LOGGED = ("accuracy", "loss", "validation_accuracy", "validation_loss", "params", "seconds")

__all__ = ["run_transfer", "transfer_plan"]

HARDLY = 0.005  # by so much accuracy and balanced accuracy may differ without a word

Sized = tuple[Genotype, NetworkConfig, Path]


def run_transfer(config: DictConfig) -> list[Path]:
    """Trains the chosen candidates of `config.run`; returns their folders, the best first.

    One candidate is trained on all training images. Of several each is trained without the validation images, and they
    are ranked by their accuracy on these, never on the test images. A finished one is not trained again, a killed one
    goes on from its last epoch.

    Raises:
        UserError: no such run, nothing meets the limits, or one of `train_final`'s.
    """
    folder, searched = run_config(config)
    plan = transfer_plan(config, searched)
    logger = make_logger(config)
    recipe = dataclasses.replace(plan.recipe, holdout=True) if plan.top > 1 else plan.recipe
    with held(folder):
        networks = _sized(folder, plan)
        recipes = [fitted_recipe(plan, recipe, place) for _, _, place in networks]
        known = {place for _, _, place in networks if (place / METRICS).exists()}
        metrics: list[Mapping[str, Any]] = []
        with TransferProgress(len(networks), recipes[0].epochs, quiet=len(known) == len(networks)) as progress:
            for (genotype, network, place), recipe in zip(networks, recipes, strict=True):
                progress.begin(genotype.key)
                opened = (NoLogger() if place in known else logger).opened
                with opened(folder, f"transfer-{genotype.key[:8]}", network.to_dict()) as log:
                    shown = functools.partial(_epoch, progress, log)
                    found = train_final(genotype, network, plan.data, recipe, place, shown, plan.run)
                    names = [name for name in LOGGED if name in found]
                    log({f"transfer/{name}": found[name] for name in names}, recipe.epochs)
                metrics.append(found)
                before = " (trained before)" if place in known else ""
                line = f"transfer {genotype.key[:8]}: {_result(place, metrics[-1])}{before}"
                progress.end(genotype.key, metrics[-1], line)
        if plan.top == 1:
            return [place for _, _, place in networks]
        return _rank(folder, plan, networks, metrics)


def _epoch(progress: TransferProgress, log: Log, epoch: int, epochs: int, loss: float) -> None:
    progress.epoch(epoch, epochs, loss)
    log({"transfer/train_loss": loss}, epoch)


def _sized(folder: Path, plan: TransferPlan) -> list[Sized]:
    """Returns the networks to train, all sized before the first is trained; cells that fit in no size are left out."""
    networks: list[Sized] = []
    left_out: list[NoSizeFits] = []
    for key, genotype in transfer_candidates(folder, plan.top):
        place = folder / "transfer" / key
        try:
            network = with_head(genotype, sized_network(genotype, plan.sizing, place), place)
            networks.append((genotype, network, place))
        except NoSizeFits as nothing:
            left_out.append(nothing)
    if not networks:
        raise left_out[0]
    for one in left_out:
        print(f"transfer: left out: {one}", file=sys.stderr)
    return networks


def _rank(
    folder: Path, plan: TransferPlan, networks: Sequence[Sized], metrics: Sequence[Mapping[str, Any]]
) -> list[Path]:
    """Writes and prints the ranking; returns the networks' folders in its order."""
    entries = [
        ranked_entry(folder, place, found, _cost(plan, genotype, network, place))
        for (genotype, network, place), found in zip(networks, metrics, strict=True)
    ]
    order = ranked(entries)
    write_ranking(folder, order)
    print(f"Ranked by accuracy on held-out training images:\n{ranking_table(order)}", file=sys.stderr)
    return [folder / entry.folder for entry in order]


def _cost(plan: TransferPlan, genotype: Genotype, network: NetworkConfig, place: Path) -> Mapping[str, float]:
    """Returns what the network costs, its latency among it where that can be measured."""
    cost = recorded_cost(place) or {}
    if LATENCY not in cost and plan.target is not None:
        try:
            return measured_cost(genotype, network, plan.target)
        except TooLarge:
            return {}
    return cost


def _result(folder: Path, metrics: Mapping[str, Any]) -> str:
    try:
        held_out = metrics.get("validation_accuracy")
        validated = f"accuracy {held_out:.4f} on held-out images, " if held_out is not None else ""
        return (
            f"{validated}test accuracy {metrics['accuracy']:.4f}{_by_class(metrics)} after {metrics['epochs']} epochs, "
            f"{metrics['params']:,} parameters"
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{folder / METRICS}: accuracy, epochs or params is missing or no number; damaged") from None


def _by_class(metrics: Mapping[str, Any]) -> str:
    """Returns what the accuracy hides of the classes, where it hides something."""
    balanced, untested = metrics.get("balanced_accuracy"), metrics.get("classes_without_test_images")
    differs = balanced is not None and abs(balanced - metrics["accuracy"]) > HARDLY
    told = [f"balanced {balanced:.4f}"] if differs else []
    told += [f"no test image of {', '.join(untested)}"] if untested else []
    return f" ({'; '.join(told)})" if told else ""
