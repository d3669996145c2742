"""Search spaces of stages: each stage chooses its block family, depth, width, stride and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nastk.checks import check_whole, is_whole
from nastk.errors import UserError, unknown
from nastk.genotype.blocks import Block, Value, Wholes, block_named
from nastk.genotype.stages import FIXED, MOST_DEPTH, Stage, StageGenotype
from nastk.spaces.resolutions import pixels_of
from nastk.spaces.space import Choose, ask


@dataclass(frozen=True)
class Choice:
    """A block family with the options that come with it, as one of those that a stage may choose."""

    family: Block
    preset: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        options = ",".join(f"{name}={value}" for name, value in self.preset)
        return f"{self.family.name}({options})" if options else self.family.name


@dataclass(frozen=True)
class StageChoices:
    """What one stage may be.

    Attributes:
        at: where it stands, as in "stages/2": the beginning of its choices' names.
        blocks: the families to choose from.
        depth, width, stride: to choose from; a depth of 0 leaves the stage out.
        options: by name, the values to choose from. One that the chosen family does not have is without effect.
    """

    at: str
    blocks: tuple[Choice, ...]
    depth: tuple[int, ...]
    width: tuple[int, ...]
    stride: tuple[int, ...]
    options: tuple[tuple[str, tuple[Value, ...]], ...]

    def stage(self, choose: Choose) -> Stage | None:
        """Returns the chosen stage, None for one of depth 0. Every choice is asked for, whatever the others are."""
        block = _asked(choose, f"{self.at}/block", self.blocks)
        depth = _asked(choose, f"{self.at}/depth", self.depth)
        width = _asked(choose, f"{self.at}/width", self.width)
        stride = _asked(choose, f"{self.at}/stride", self.stride)
        chosen = {name: _asked(choose, f"{self.at}/{name}", values) for name, values in self.options}
        own = {name: value for name, value in chosen.items() if name in block.family.options}
        if not depth:
            return None
        return Stage(block.family.name, width, depth, stride, tuple({**own, **dict(block.preset)}.items()))


def _asked(choose: Choose, name: str, options: Sequence[Any]) -> Any:
    """Asks for one of values that Optuna may not know, by their names."""
    if all(map(is_whole, options)):
        return ask(choose, name, options)
    names = [str(option) for option in options]
    return options[names.index(str(ask(choose, name, names)))]


@dataclass(frozen=True)
class StageSpace:
    """Networks of stages: a stem, stages, a head and a classifier, each of whose numbers and names may be a choice.

    A stage is a mapping: `block`, `depth`, `width`, `stride` and options of its families, each a value or a list to
    choose from. A family may bring options of its own: `block: [conv, {block: inverted_residual, kernel: 5}]`.
    Factorized hierarchical spaces are described in Tan et al., "MnasNet", CVPR 2019.

    Choices, in order: "resolution", then for each part and place "stages/2/block", "depth", "width", "stride" and the
    options by name.

    Attributes:
        stages: of the body.
        stem, head: before and after it.
        classifier: its family and options.
        resolution: pixels a side to bring the images to (whole numbers), or shares of theirs (up to 1.0), each a
            candidate's own choice; empty for the data's own. See `resolutions`.
        divisor: every width is a multiple of it, so that a target's kernels run full.
        size: pixels a side of the images; where known, strides that would leave less than `least` become 1.
        least: pixels a side to leave to the last stage.

    Raises:
        UserError: an unknown family or option, or a value that cannot be.
    """

    stages: Sequence[Mapping[str, Any]]
    stem: Sequence[Mapping[str, Any]] = ()
    head: Sequence[Mapping[str, Any]] = ()
    classifier: Mapping[str, Any] = field(default_factory=lambda: {"block": "pooled_classifier"})
    resolution: Sequence[int | float] = ()
    divisor: int = 8
    size: int | None = None
    least: int = 4

    def __post_init__(self) -> None:
        _ = self.parts, self.end, self.resolutions  # checked at once, before anything is trained

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """Pixels a side to choose from; empty for the data's own, or where shares are given and `size` is not known."""
        check_whole("space: least", self.least, 1)
        return pixels_of(self.resolution, self.size, self.least)

    @cached_property
    def parts(self) -> dict[str, tuple[StageChoices, ...]]:
        """The choices of stem, stages and head."""
        found = {}
        for name in ("stem", "stages", "head"):
            rows = getattr(self, name)
            if isinstance(rows, str | Mapping):
                raise UserError(f"space: {name}: expected a list of stages")
            found[name] = tuple(read_stage(row, f"{name}/{index}", self.divisor) for index, row in enumerate(rows))
        if not found["stages"]:
            raise UserError("space: stages=[], expected at least one")
        return found

    @cached_property
    def end(self) -> StageChoices:
        """The choices of the classifier."""
        return read_stage({"width": 0, **self.classifier}, "classifier", self.divisor)

    def genotype(self, choose: Choose) -> StageGenotype:
        """Returns the genotype that the answers of `choose` make."""
        resolution = int(ask(choose, "resolution", self.resolutions)) if self.resolutions else 0
        rows = {
            name: tuple(stage for choices in part if (stage := choices.stage(choose)) is not None)
            for name, part in self.parts.items()
        }
        end = self.end.stage(choose)
        assert end is not None  # a classifier's depth is 1
        resolution = 0 if resolution == self.size else resolution
        made = StageGenotype(**rows, classifier=end, resolution=resolution)
        side = resolution or self.size
        return made if side is None else with_pixels(made, side, self.least)


def with_pixels(genotype: StageGenotype, side: int, least: int) -> StageGenotype:
    """Returns the genotype whose strides leave at least so many pixels a side: those that would not become 1."""

    def kept(row: Sequence[Stage]) -> tuple[Stage, ...]:
        nonlocal side
        found = []
        for stage in row:
            fits = stage.stride == 1 or -(-side // stage.stride) >= least
            found.append(stage if fits else replace(stage, stride=1))
            side = -(-side // found[-1].stride)
        return tuple(found)

    stem, stages, head = kept(genotype.stem), kept(genotype.stages), kept(genotype.head)
    return replace(genotype, stem=stem, stages=stages, head=head)


def read_stage(row: object, at: str, divisor: int) -> StageChoices:
    """Reads what a configuration says of a stage.

    Raises:
        UserError: an unknown family or option, or a value that none of the families can have.
    """
    where = f"space: {at}"
    if not isinstance(row, Mapping) or "block" not in row:
        raise UserError(f"{where}: expected a mapping with a block")
    blocks = tuple(_choice(item, where) for item in _listed(row["block"]))
    classifier = any(choice.family.classifier for choice in blocks)
    depth = _wholes(row.get("depth", 1), f"{where}: depth", 0, MOST_DEPTH)
    width = _wholes(row.get("width", 0), f"{where}: width", 0 if classifier else 1, 10**6)
    if not classifier and any(item % divisor for item in width):
        raise UserError(f"{where}: width={list(width)}, expected multiples of divisor={divisor}")
    stride = _wholes(row.get("stride", 1), f"{where}: stride", 1, 64)
    names = sorted(name for name in row if name not in FIXED)
    options = tuple((name, _values(name, row[name], blocks, where)) for name in names)
    return StageChoices(at, blocks, depth, width, stride, options)


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str | Mapping) or not isinstance(value, Sequence) else list(value)


def _choice(item: object, where: str) -> Choice:
    if isinstance(item, Mapping):
        family = block_named(item.get("block"), f"block in {where}")
        preset = {name: value for name, value in item.items() if name != "block"}
        family.checked(preset, where)
        given = tuple((name, family.options[name].checked(where, value)) for name, value in preset.items())
        return Choice(family, tuple(sorted(given)))
    return Choice(block_named(item, f"block in {where}"))


def _wholes(value: Any, where: str, least: int, most: int) -> tuple[int, ...]:
    found = _listed(value)
    for item in found:
        check_whole(where, item, least, most)
    if not found or len(set(found)) != len(found):
        raise UserError(f"{where}={found}, expected at least one, every one once")
    return tuple(found)


def _values(name: str, value: Any, blocks: Sequence[Choice], where: str) -> tuple[Value, ...]:
    families = [choice.family for choice in blocks if name in choice.family.options]
    if not families:
        known = sorted({option for choice in blocks for option in choice.family.options})
        raise unknown(f"option of {where}", name, known or ["none"])
    whole = isinstance(families[0].options[name], Wholes)
    nested = whole and isinstance(value, Sequence) and any(isinstance(item, Sequence) for item in value)
    items = [value] if whole and not nested else _listed(value)
    found = tuple(family.options[name].checked(f"{where}: {name}", item) for item in items for family in families[:1])
    for family in families[1:]:
        for item in items:
            family.options[name].checked(f"{where}: {name}", item)
    if not found or len(set(found)) != len(found):
        raise UserError(f"{where}: {name}={list(found)}, expected at least one, every one once")
    return found
