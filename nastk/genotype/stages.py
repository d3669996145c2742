"""The genotype of a network made of stages: a stem, stages of equal blocks, a head and a classifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import nastk.genotype.families  # noqa: F401  (enters the families)
from nastk.checks import check_whole
from nastk.errors import UserError, unknown
from nastk.genotype.blocks import MOST_CHANNELS, Value, block_named
from nastk.genotype.genotype import KEY_DIGITS, Genotype, enter_kind
from nastk.genotype.skeleton import STAGES

SCHEMA = 1
KIND = "stages"
MOST_DEPTH = 1000
MOST_STAGES = 1000
FIXED = ("block", "width", "depth", "stride")
GROUPS = ("stem", "stages", "head")


@dataclass(frozen=True)
class Stage:
    """A row of blocks of one family.

    Attributes:
        block: the family's name in `nastk.genotype.blocks`; of two that are the same function, the one of `Block.same`.
        width: channels that come out; 0 for a classifier, whose width is the number of classes, and for a family whose
            channels follow from its options (`Block.own_width`).
        depth: blocks in the row.
        stride: of the first block; the others have 1.
        options: of the family; those at their defaults, and those without effect, are left out.

    Raises:
        UserError: an unknown family or option, or a value that cannot be.
    """

    block: str
    width: int = 0
    depth: int = 1
    stride: int = 1
    options: tuple[tuple[str, Value], ...] = field(default=())

    def __post_init__(self) -> None:
        family = block_named(self.block)
        where = f"stage {self.block!r}"
        least = 0 if family.classifier or family.own_width else 1
        check_whole(f"{where}: width", self.width, least, MOST_CHANNELS)
        check_whole(f"{where}: depth", self.depth, 1, MOST_DEPTH)
        check_whole(f"{where}: stride", self.stride, 1, 64)
        if self.stride > 1 and not family.strides:
            raise UserError(f"{where}: stride={self.stride}, expected 1: blocks of this family do not stride")
        if family.own_width:
            object.__setattr__(self, "width", 0)
        options = family.checked(dict(self.options), where, self.stride)
        every = family.complete(dict(options))
        if family.check is not None:
            try:
                family.check(self.stride, every)
            except UserError as error:
                raise UserError(f"{where}: {error}") from None
        same = None if family.same is None else family.same(every)
        if same is not None:
            object.__setattr__(self, "block", same[0])
            options = block_named(same[0]).checked(same[1], where, self.stride)
        object.__setattr__(self, "options", options)

    @cached_property
    def every_option(self) -> dict[str, Value]:
        """Every option of the family, those left out with their defaults."""
        return block_named(self.block).complete(dict(self.options))

    def to_dict(self) -> dict[str, Any]:
        """Returns the flat JSON form: block, width, depth, stride and what differs from the family's defaults."""
        options = {name: list(value) if isinstance(value, tuple) else value for name, value in self.options}
        sizes = {"width": self.width} if self.width else {}
        shape = {name: value for name, value in (("depth", self.depth), ("stride", self.stride)) if value != 1}
        return {"block": self.block, **sizes, **shape, **options}

    def __str__(self) -> str:
        options = "".join(f", {name} {value}" for name, value in self.options)
        width = f", {self.width} channels" if self.width else ""
        return f"{self.depth} x {self.block}{width}{f', stride {self.stride}' if self.stride > 1 else ''}{options}"

    @staticmethod
    def from_dict(data: object, where: str = "stage") -> Stage:
        """Reads what `to_dict` gave.

        Raises:
            UserError: where it is not of that form.
        """
        if not isinstance(data, Mapping) or "block" not in data:
            raise UserError(f"genotype: {where}: expected an object with a block")
        options = {name: value for name, value in data.items() if name not in FIXED}
        shape = {name: data[name] for name in FIXED if name in data}
        try:
            return Stage(**shape, options=tuple(options.items()))
        except UserError as error:
            raise UserError(f"genotype: {where}: {error}") from None


@dataclass(frozen=True)
class StageGenotype(Genotype):
    """A network as rows of blocks; says nothing of classes, and its image size only where that is a choice.

    Attributes:
        stages: the body; a network's depth multiplier changes the depth of these only.
        stem: what comes before, head: what comes after, each of depth as given.
        classifier: of a family that ends in logits.
        resolution: pixels a side that images are brought to before they come in; 0 for the data's own.

    Raises:
        UserError: a classifier in the body, none at the end, no stage or too many.
    """

    kind: ClassVar[str] = KIND

    stages: tuple[Stage, ...]
    stem: tuple[Stage, ...] = ()
    head: tuple[Stage, ...] = ()
    classifier: Stage = Stage("pooled_classifier")
    resolution: int = 0
    skeleton: str = field(default=STAGES.name, init=False)

    def __post_init__(self) -> None:
        if not len(self.stages) + len(self.stem) >= 1 or len(self.body) > MOST_STAGES:
            raise UserError(f"genotype: {len(self.stages)} stages, expected 1 to {MOST_STAGES}")
        for stage in self.body:
            if block_named(stage.block).classifier:
                raise UserError(f"genotype: {stage.block!r} in the body, expected it as the classifier")
        if not block_named(self.classifier.block).classifier:
            raise UserError(f"genotype: {self.classifier.block!r} as classifier, expected a family that gives logits")
        check_whole("genotype: resolution", self.resolution, 0, 10**5)

    @property
    def body(self) -> tuple[Stage, ...]:
        """Stem, stages and head in the order in which an image goes through them."""
        return (*self.stem, *self.stages, *self.head)

    @property
    def own_network(self) -> dict[str, Any]:
        """The image size, where that is a choice: its network is of no other, and images are brought to it."""
        return {"size": self.resolution} if self.resolution else {}

    @property
    def ops(self) -> frozenset[str]:
        """Names of the block families it uses."""
        return frozenset(stage.block for stage in (*self.body, self.classifier))

    @cached_property
    def key(self) -> str:
        """Equal for genotypes that compute the same function up to a renaming of weights.

        Options at their defaults or without effect do not count, nor does how equal blocks are cut into stages.
        """
        text = json.dumps([KIND, self.resolution, canonical_rows(self.body), self.classifier.to_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain lists, dicts and numbers, the JSON form."""
        rows = {name: [stage.to_dict() for stage in getattr(self, name)] for name in GROUPS}
        resolution = {"resolution": self.resolution} if self.resolution else {}
        return {"schema": SCHEMA, "kind": KIND, **rows, "classifier": self.classifier.to_dict(), **resolution}

    def encoding(self) -> list[float]:
        """Returns the numbers of `nastk.genotype.stage_numbers.stage_encoding`."""
        from nastk.genotype.stage_numbers import stage_encoding

        return stage_encoding(self)

    def terms(self, reading: str) -> dict[str, float]:
        """Returns the terms of `nastk.genotype.stage_numbers.stage_terms`."""
        from nastk.genotype.stage_numbers import stage_terms

        return stage_terms(self)

    @property
    def readings(self) -> tuple[str, ...]:
        """One: every block is run."""
        return ("every",)

    def lines(self) -> list[str]:
        """Returns its stages, a line each."""
        rows = [(name, stage) for name in GROUPS for stage in getattr(self, name)]
        shown = [f"{name:<10}  {stage}" for name, stage in (*rows, ("classifier", self.classifier))]
        return [*([f"resolution  {self.resolution}"] if self.resolution else []), *shown]

    @staticmethod
    def from_dict(data: object) -> StageGenotype:
        """Reads what `to_dict` gave.

        Raises:
            UserError: where the data are not of that form; the message names the place.
        """
        if not isinstance(data, Mapping):
            raise UserError("genotype: expected an object")
        known = ("schema", "kind", *GROUPS, "classifier", "resolution")
        for name in data:
            if name not in known:
                raise unknown("field in genotype", name, known)
        if data.get("schema", SCHEMA) != SCHEMA or data.get("kind") != KIND:
            raise UserError(f"genotype: schema {data.get('schema')!r}, kind {data.get('kind')!r}, expected 1, 'stages'")
        rows = {name: _row(data.get(name, []), name) for name in GROUPS}
        classifier = Stage.from_dict(data.get("classifier", {"block": "pooled_classifier"}), "classifier")
        return StageGenotype(**rows, classifier=classifier, resolution=data.get("resolution", 0))


enter_kind(KIND, StageGenotype.from_dict)


def canonical_rows(stages: Sequence[Stage]) -> list[list[Any]]:
    """Returns the rows with neighbours of equal blocks joined: [block, width, stride, depth, options] each."""
    rows: list[list[Any]] = []
    channels = 0
    for stage in stages:
        facts = block_named(stage.block)
        width = channels if facts.keeps else stage.width
        depth = 1 if facts.passes else stage.depth
        if facts.passes and stage.stride == 1 and width == channels:
            continue
        channels = width
        options = [[name, list(value) if isinstance(value, tuple) else value] for name, value in stage.options]
        last = rows[-1] if rows else None
        kept = [option for option in last[4] if option[0] not in facts.strided] if last is not None else []
        same = last is not None and [last[0], last[1], kept] == [stage.block, width, options]
        if last is not None and same and facts.repeats and stage.stride == 1:
            last[3] += depth
        else:
            rows.append([stage.block, width, stage.stride, depth, options])
    return rows


def _row(data: object, name: str) -> tuple[Stage, ...]:
    if isinstance(data, str | Mapping) or not isinstance(data, Sequence):
        raise UserError(f"genotype: {name}: expected a list of stages")
    return tuple(Stage.from_dict(item, f"{name} {index}") for index, item in enumerate(data))
