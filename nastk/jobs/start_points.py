"""The points that a search asks for first: the known networks, as near and as large as space and limits allow.

They are chosen once, when the search begins, and kept in the run folder, so that a search that goes on asks the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from nastk.deploy.cost.sources import Costing
from nastk.errors import UserError
from nastk.evaluators import EvaluationFailed
from nastk.files import write_json
from nastk.genotype import Genotype
from nastk.genotype.small import for_images, shortened
from nastk.genotype.stages import Stage, StageGenotype
from nastk.jobs.at_budget import BudgetFit
from nastk.jobs.search_parts import SearchParts
from nastk.jobs.transfer.baselines import named_network
from nastk.networks import NetworkConfig
from nastk.objective import Objective
from nastk.outside import read_object
from nastk.spaces import Space, StageSpace, Value, replay
from nastk.spaces.nearest import nearest_choices
from nastk.training.failure import TrainingError, memory_errors_named

Point = dict[str, Value]

FILE = "start_points.json"
SCHEMA = 1
MOST = 11
WIDTHS = (1.0, 0.75, 0.5, 0.35, 0.25, 0.125)


def _short(genotype: Genotype, height: int, width: int, least: int) -> StageGenotype | None:
    """Returns the shortened genotype with the classifier that weighs places, so that a search has seen both of them."""
    left = shortened(genotype, height, width, least)
    end = Stage("depthwise_classifier")
    return dataclasses.replace(left, classifier=end) if isinstance(left, StageGenotype) else None


def shallow(genotype: Genotype, height: int, width: int, least: int) -> StageGenotype | None:
    """Returns the shortened genotype with one block a stage, which the budget makes wide."""
    left = _short(genotype, height, width, least)
    if left is None:
        return None
    return dataclasses.replace(left, stages=tuple(dataclasses.replace(stage, depth=1) for stage in left.stages))


def plain(genotype: Genotype, height: int, width: int, least: int) -> StageGenotype | None:
    """Returns the shallow genotype without its shortcuts, for additions take time: two convolutions for each block.

    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, have such networks beside theirs; it is
    deep ones that do not train without shortcuts.
    """
    left = shallow(genotype, height, width, least)
    if left is None:
        return None
    stages = tuple(
        Stage("conv", stage.width, 2 * stage.depth, stage.stride) if stage.block == "residual_basic" else stage
        for stage in left.stages
    )
    return dataclasses.replace(left, stages=stages)


def smooth(genotype: Genotype, height: int, width: int, least: int) -> StageGenotype | None:
    """Returns the plain genotype with SiLU behind every convolution but the stem's, where the map is largest.

    Elfwing, Uchibe, Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
    Learning", Neural Networks 2018.
    """
    left = plain(genotype, height, width, least)
    if left is None:
        return None
    stages = tuple(
        dataclasses.replace(stage, options=(*stage.options, ("act", "silu"))) if stage.block == "conv" else stage
        for stage in left.stages
    )
    return dataclasses.replace(left, stages=stages)


# What is asked for, as long as there is room: those that win on processors first, and how each is fitted to images that
# are too small for it.
KNOWN: tuple[tuple[str, Callable[[Genotype, int, int, int], Genotype | None]], ...] = (
    *(("mobilenet_v2", for_images), ("resnet18", for_images), ("resnet18", shallow), ("resnet18", plain)),
    ("resnet18", smooth),
    *(("repvgg_a0", for_images), ("repvgg_a0", _short), ("efficientnet_v2_s", shallow)),
    *(("mobilenet_v4_conv_small", for_images), ("mobilenet_v3_small", for_images), ("mobilenet_v1", for_images)),
    ("pp_lcnet_x1_0", for_images),
    *(("efficientnet_v2_s", for_images), ("shufflenet_v2_x1_0", for_images), ("mnasnet1_0", for_images)),
    *(("efficientnet_b0", for_images), ("fasternet_t0", for_images)),
)


def start_points(
    folder: Path, parts: SearchParts, network: NetworkConfig | None, new: bool, fit: BudgetFit | None = None
) -> list[Point]:
    """Returns the choices that the search is to ask for first, none where the space has no known networks.

    Args:
        folder: of the run.
        parts: of the search.
        network: what candidates are built as; None where none are built.
        new: whether nothing was asked for yet; a search that was begun without such points goes on without.
        fit: what brings candidates to the limits, where something does.

    Raises:
        UserError: the file in the folder is damaged.
    """
    space = parts.space
    if parts.start_from is None or not isinstance(space, StageSpace) or network is None:
        return []
    path = folder / FILE
    if path.exists():
        return _read(path, space)
    if not new:
        return []
    points = _points(parts, space, network, fit)
    write_json(path, {"schema": SCHEMA, "points": points})
    return points


def _read(path: Path, space: Space) -> list[Point]:
    points = read_object(path).get("points")
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise UserError(f"{path}: no points; damaged, put back a copy")
    for point in points:
        replay(space, point)
    return points


def _points(parts: SearchParts, space: StageSpace, network: NetworkConfig, fit: BudgetFit | None) -> list[Point]:
    costing = parts.costing if parts.objective.limits else None
    found: dict[str, Point] = {}
    for name, fitted in KNOWN:
        if len(found) == MOST:
            break
        known = fitted(named_network(name), network.height, network.width, space.least)
        if known is None:  # large enough as they are: no further form
            continue
        if fit is None:
            point = _largest(space, known, network, parts.objective, costing)
        else:
            point = _fitting(space, known, parts.objective, fit)
        if point is not None:
            found.setdefault(replay(space, point).key, point)
    return list(found.values())


def _largest(
    space: StageSpace, known: Genotype, network: NetworkConfig, objective: Objective, costing: Costing | None
) -> Point | None:
    """Returns the nearest point to the widest form of a network that meets the limits; None where there is none."""
    if not isinstance(known, StageGenotype):
        return None
    tried: set[str] = set()
    for width in WIDTHS:
        point = nearest_choices(space, known, width)
        if point is None:
            return None
        genotype = replay(space, point)
        if costing is None:
            return point
        if genotype.key not in tried and _fits(genotype, network, objective, costing):
            return point
        tried.add(genotype.key)
    return None


def _fitting(space: StageSpace, known: Genotype, objective: Objective, fit: BudgetFit) -> Point | None:
    """Returns the nearest point to a network; None where there is none, or it meets the limits in no width."""
    point = nearest_choices(space, known) if isinstance(known, StageGenotype) else None
    if point is None:
        return None
    try:
        fits = objective.violation(fit(fit.fitted(replay(space, point)))) is None
    except (UserError, EvaluationFailed):
        return None
    return point if fits else None


def _fits(genotype: Genotype, network: NetworkConfig, objective: Objective, costing: Costing) -> bool:
    try:
        with memory_errors_named():
            return objective.violation(costing.cost(genotype, network.of(genotype))) is None
    except (UserError, TrainingError):
        return False
