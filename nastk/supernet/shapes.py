"""How large the shared weights are: the largest that any network of the space has of each, found by building blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from nastk.blocks.register import Row, build_stage
from nastk.checks import is_number
from nastk.errors import UserError
from nastk.genotype.blocks import Value, block_named
from nastk.genotype.scaling import Scaling
from nastk.genotype.skeleton import STAGES
from nastk.genotype.stages import GROUPS, Stage
from nastk.networks import NetworkConfig
from nastk.networks.count import without_content
from nastk.spaces import StageSpace
from nastk.spaces.places import forms
from nastk.spaces.stages import StageChoices
from nastk.supernet.roles import blocks_of, roles

WEIGHTLESS = ("act", "se_act", "se_gate")  # options that change no weight's name or shape

Shapes = dict[str, tuple[int, ...]]


def key(at: str, index: int, family: str, role: str) -> str:
    """Returns the name of a shared weight: place, block of the place's row, block family and role in the block."""
    return f"{at}/{index}/{family}/{role}"


def shared_shapes(space: StageSpace, config: NetworkConfig) -> Shapes:
    """Returns the shape of every shared weight, by its key.

    Each block is built, without memory for weights, with the least and the most of every number that its options may
    have, from the fewest and the most channels, and from as many as come out. All dimensions grow with these numbers.

    Args:
        space: its networks share.
        config: what they are built as.

    Raises:
        UserError: a stage that cannot be built.
    """
    sizes = config.complete(STAGES).sizes
    scaling = Scaling(float(sizes["width_multiplier"]), float(sizes["depth_multiplier"]))
    shapes: Shapes = {}
    channels = {config.channels}
    with without_content():
        for group in GROUPS:
            for choices in space.parts[group]:
                depths = {scaling.blocks(one) if group == "stages" else one for one in choices.depth if one}
                channels = _grown(shapes, choices, depths, channels, scaling, config)
        end = dataclasses.replace(space.end, width=(config.classes,))
        _grown(shapes, end, {1}, channels, scaling, config)
    return shapes


def _grown(
    shapes: Shapes,
    choices: StageChoices,
    depths: set[int],
    before: set[int],
    scaling: Scaling,
    config: NetworkConfig,
) -> set[int]:
    """Adds the weights of a place; returns how many channels may come out of it."""
    after = set(before) if 0 in choices.depth else set()
    for stage, width in _stages(choices, scaling):
        ends = {min(before), max(before)} if stage.width in _ends("", choices.width) or not stage.width else set()
        for channels in ends | (before & {width}):
            for depth in _depths(stage, depths, channels == max(before)):
                row = Row(channels, width, depth, stage.stride, [0.0] * depth, (config.height, config.width))
                built = build_stage(stage.block, row, scaling.options(stage))
                after.add(built.channels)
                for index, block in enumerate(blocks_of(built.module, depth)):
                    for role, (layer, own) in roles(block).items():
                        name = key(choices.at, index, stage.block, role)
                        shapes[name] = _larger(name, shapes.get(name), tuple(getattr(layer, own).shape))
        after |= {width} if width and not block_named(stage.block).keeps else set()
    return after


def _depths(stage: Stage, depths: set[int], first: bool) -> set[int]:
    """Returns the depths to build: of equal blocks a row once, for what comes in changes the first of them alone."""
    if not block_named(stage.block).repeats:
        return {min(depths), max(depths)}
    return {max(depths)} if first else {1}


def _stages(choices: StageChoices, scaling: Scaling) -> Iterator[tuple[Stage, int]]:
    """Yields the stages that a place may be, each family in each width; a stride may have become 1."""
    few = dataclasses.replace(choices, options=tuple((name, _ends(name, of)) for name, of in choices.options))
    for choice in choices.blocks:
        for stride in sorted({1, max(choices.stride)}):
            for block, options in forms(few, choice, stride):
                for width in choices.width:
                    if block_named(block).classifier:
                        yield Stage(block, 0, 1, stride, options), width
                    else:
                        stage = Stage(block, width, 1, stride, options)
                        yield stage, scaling.width_of(stage)


def _ends(name: str, values: Sequence[Value]) -> tuple[Value, ...]:
    """Returns the least and the greatest of numbers, one of those that no weight hangs on, all of others."""
    if name in WEIGHTLESS:
        return (values[0],)
    if not all(map(is_number, values)):
        return tuple(values)
    numbers = sorted(values, key=float)  # type: ignore[arg-type]
    return tuple(dict.fromkeys((numbers[0], numbers[-1])))


def _larger(name: str, one: tuple[int, ...] | None, other: tuple[int, ...]) -> tuple[int, ...]:
    if one is None:
        return other
    if len(one) != len(other):
        raise UserError(f"space: weight {name} has {len(one)} and {len(other)} dimensions; it cannot be shared")
    return tuple(map(max, one, other))
