"""What a transfer will do, every setting checked before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from omegaconf import DictConfig

from nastk.checks import check_flag, check_number, check_whole
from nastk.config.build import build, plain, settings
from nastk.data.images import DataSource
from nastk.data.sources.unlabelled import unlabelled_images
from nastk.deploy.cost.sources import Costing, PredictorLatency
from nastk.errors import UserError
from nastk.jobs.parts import (
    make_costing,
    make_data,
    make_latency,
    make_objective,
    make_target,
    without_automatic,
)
from nastk.jobs.teacher import asked_teacher
from nastk.jobs.transfer.baselines import Baselines, asked_baselines
from nastk.jobs.transfer.halving import ENTRANTS
from nastk.jobs.transfer.initial import Asked, Beginnings, asked_beginnings
from nastk.jobs.transfer.prune_check import check_prune
from nastk.jobs.transfer.searched import SIZES, searched_first_cells, searched_network, searched_sizes, searched_stem
from nastk.jobs.transfer.size_choice import Sizing
from nastk.jobs.transfer.sized import COUNTED
from nastk.jobs.transfer.sizing import Limit
from nastk.networks import NetworkConfig
from nastk.networks.stems import fitted_stem
from nastk.objective import LIMITED, Objective
from nastk.spaces import StageSpace
from nastk.training.class_weights import check_count
from nastk.training.teacher import Teacher
from nastk.training.transfer import RunSettings, TransferSettings
from nastk.training.transfer_settings import AUTO

MOST_NETWORKS = 1000


@dataclass(frozen=True)
class TransferShape:
    """Which candidates are trained, and how large.

    Attributes:
        top: how many candidates; with several, each holds validation images out and they are ranked by these.
        entrants: how many begin to be trained, of which successive halving leaves `top`; "auto": see `entrants`.
        cells, filters: depth and width of a network of cells; None to have them picked by the limits, without a limit
            2 and 16.
        depth_multiplier, width_multiplier: those of a network of stages, without a limit 1.
        stem: see `NetworkConfig`, None for the search's; auxiliary head and drop path are the recipe's.
        max_latency_ms, max_params, max_macs, max_memory_mb, max_ram_kb, max_flash_kb: what the network must not exceed,
            as in `Objective`; None for the search's own limit.
        init: weights to begin with: a trained network's folder or a safetensors file, for every network that they fit;
            or a mapping of baselines' names, and "searched" for the candidates, to such paths. None for random ones.
        prune: train each candidate larger than the limits allow, then narrow it to them and train it again.
        prune_from: times the limits, that such a candidate is sized to at first.
        prune_taught: what is left of it learns from what it was cut out of, where there is no other teacher.
        refit: train the network that ranks first once more, with the images held out.
    """

    top: int = 1
    entrants: int | str = AUTO
    cells: int | None = None
    filters: int | None = None
    depth_multiplier: float | None = None
    width_multiplier: float | None = None
    stem: str | None = None
    max_latency_ms: float | None = None
    max_params: float | None = None
    max_macs: float | None = None
    max_memory_mb: float | None = None
    max_ram_kb: float | None = None
    max_flash_kb: float | None = None
    init: Asked = None
    prune: bool = False
    prune_from: float = 1.5
    prune_taught: bool = False
    refit: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.top <= MOST_NETWORKS:
            raise UserError(f"transfer.top={self.top}: expected at least 1, at most {MOST_NETWORKS}")
        if self.entrants != AUTO:
            check_whole("transfer.entrants", self.entrants, self.top, MOST_NETWORKS)
        check_flag("transfer.prune", self.prune)
        check_flag("transfer.prune_taught", self.prune_taught)
        check_flag("transfer.refit", self.refit)
        check_number("transfer.prune_from", self.prune_from, 1, 16, above=True)
        for metric in LIMITED:
            value = getattr(self, f"max_{metric}")
            if value is not None and not 0 < value < math.inf:
                raise UserError(f"transfer.max_{metric}={value}: expected a number above 0")


class TransferPlan(NamedTuple):
    """What `run_transfer` does: how many candidates, how large, trained how, on which data, run how, measured where.

    Of the recipe's settings those in `automatic` follow from the number of images. With baselines images are held out,
    as with several candidates; they have the same teacher. `stem` is the one that the user names, None for none.
    `prune` is how many times the limits a candidate uses that is then narrowed, and may learn from its wide network.
    `accuracy_alone`: nothing but accuracy tells candidates apart, for there is one goal and all use the limits.
    `refit`: what ranks first is trained once more, on all images.
    `objective`: of the search, whose first metric says which networks are best.
    """

    top: int
    entrants: int
    sizing: Sizing
    recipe: TransferSettings
    data: DataSource
    run: RunSettings
    target: Costing | None
    automatic: tuple[str, ...] = ()
    baselines: Baselines = Baselines()
    stem: str | None = None
    init: Beginnings = Beginnings()
    teacher: Teacher | None = None
    prune: float | None = None
    prune_taught: bool = False
    accuracy_alone: bool = False
    refit: bool = False
    objective: Objective = Objective()

    @property
    def ranks(self) -> bool:
        """Whether several candidates begin, which are compared on images held out."""
        return self.entrants > 1


def transfer_plan(config: DictConfig, searched: DictConfig) -> TransferPlan:
    """Returns how the transfer will train, every setting checked; `searched` is the configuration of the search."""
    asked: TransferShape = settings(TransferShape, config.transfer, "transfer.")
    node, automatic = without_automatic(config.training)
    recipe: TransferSettings = build(node, "training", TransferSettings, seed=searched.seed)
    run: RunSettings = settings(RunSettings, config)
    run.check(recipe.device, recipe.batch)
    data = make_data(searched if searched.get("data") is not None else config)
    check_count(recipe.class_weights, len(data.classes))
    stem = asked.stem or searched_stem(searched) or fitted_stem(data.size)
    network = NetworkConfig(
        stem=stem,
        first_cells=searched_first_cells(searched),
        sizes={name: getattr(asked, name) for name in SIZES if getattr(asked, name) is not None},
        classes=len(data.classes),
        channels=data.channels,
        size=data.size,
        auxiliary=recipe.auxiliary > 0,
        drop_path=recipe.drop_path,
    )
    limits = _limits(asked, searched)
    timed = any(limit.metric not in COUNTED for limit in limits)
    predicted = isinstance(make_latency(searched), PredictorLatency)
    # A predictor knows networks of the size that it was learned from, which a transfer's are not.
    costing = make_target if predicted else make_costing
    baselines = asked_baselines(config, searched, network)
    entrants = _entrants(asked, searched, run, bool(baselines.networks))
    ranks = entrants > 1 or (baselines.networks and searched.get("target") is not None)
    target: Costing | None = costing(searched) if timed or ranks else None
    facts = plain(searched.target) if timed else None
    judged = bool(searched.get("at_budget")) and all(limit.setting.startswith("objective.") for limit in limits)
    sizing = Sizing(network, limits, searched_sizes(searched), target, facts, judged)
    init = asked_beginnings(asked.init, [one.name for one in baselines.networks])
    teacher = asked_teacher(recipe, data, run)
    _check_unlabelled(data, recipe)
    known = (asked.top, entrants, sizing, recipe, data, run, target, automatic, baselines, asked.stem)
    prune = _prune(asked, searched, limits)
    alone = bool(searched.get("at_budget")) and one_goal(searched)
    objective = make_objective(searched) if searched.get("objective") else Objective()
    return TransferPlan(*known, init, teacher, prune, asked.prune_taught, alone, asked.refit, objective)


def one_goal(searched: DictConfig) -> bool:
    """Says whether one number says which candidate of a search is best."""
    return not (searched.get("objective") or {}).get("minimize")


def _prune(asked: TransferShape, searched: DictConfig, limits: Sequence[Limit]) -> float | None:
    """Returns how many times the limits candidates use that are then narrowed, None for none; raises UserError."""
    if not asked.prune:
        return None
    sizes = {name: getattr(asked, name) for name in SIZES if getattr(asked, name) is not None}
    check_prune(_of_stages(searched), limits, sizes, asked.init)
    return asked.prune_from


def _of_stages(searched: DictConfig) -> bool:
    space = str((searched.get("space") or {}).get("_target_", ""))
    return space.rpartition(".")[2] == StageSpace.__name__


def _check_unlabelled(data: DataSource, recipe: TransferSettings) -> None:
    """Raises UserError where images without labels have no teacher, or are not there."""
    given = getattr(data, "unlabelled", None)
    if given is not None and recipe.teacher is None:
        raise UserError(
            f"data.unlabelled={given}: expected training.teacher too (a trained network, or auto): what it answers to "
            "them is learned; data.unlabelled=null leaves them out"
        )
    unlabelled_images(data, tell=True)


def _entrants(asked: TransferShape, searched: DictConfig, run: RunSettings, held_out: bool) -> int:
    """Returns how many candidates begin: as the user says; more than are wanted where that only costs some training.

    That is where images are held out anyway, one process trains, and one number says which candidate is best.
    """
    if asked.entrants != AUTO:
        if int(asked.entrants) > asked.top and run.devices > 1:
            raise UserError(f"transfer.entrants={asked.entrants}: expected transfer.top={asked.top} on several devices")
        return int(asked.entrants)
    automatic = _of_stages(searched) and one_goal(searched) and held_out and run.devices == 1 and not asked.prune
    return max(asked.top, ENTRANTS) if automatic else asked.top


def inherited_limits(searched: DictConfig) -> dict[str, float]:
    """Returns the limits of a search that hold for the network which is made of its cells, by metric.

    A search that looks costs up in a table has limits on what the table is about, another network on another machine;
    one with a latency predictor, a limit on the latency of networks of the size that was learned.
    """
    network = searched_network(searched)
    limits = make_objective(searched).limits if network is not None and searched.get("objective") else {}
    source = (searched.get("latency") or {}).get("_target_", "")
    if str(source).rpartition(".")[2] == PredictorLatency.__name__:
        limits.pop("latency_ms", None)
    return limits


def _limits(asked: TransferShape, searched: DictConfig) -> tuple[Limit, ...]:
    """The transfer's own limits, and the search's where it has none."""
    inherited = inherited_limits(searched)
    limits = []
    for metric in LIMITED:
        own = getattr(asked, f"max_{metric}")
        if own is not None:
            limits.append(Limit(metric, float(own), f"transfer.max_{metric}"))
        elif metric in inherited:
            limits.append(Limit(metric, float(inherited[metric]), f"objective.max_{metric}"))
    return tuple(limits)
