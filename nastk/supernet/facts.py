"""What shared weights are of, so that those of another space, network or set of images are told from one's own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from nastk.data.images import DataSource
from nastk.networks import NetworkConfig
from nastk.spaces import StageSpace
from nastk.training.recipe import Recipe

Facts = Mapping[str, Any]


def facts_of(
    space: StageSpace, config: NetworkConfig, data: DataSource, record: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Returns the facts by the names that messages have for them, the most telling first.

    Args:
        space: whose networks share the weights.
        config: what they are built as.
        data: the images.
        record: of them, as in data.json.
        seed: of the training.
    """
    parts = {part: record[part]["images_sha256"] for part in ("train", "validation")}
    return {
        "seed": seed,
        "size": data.size,
        "data": {"name": data.name, "classes": list(data.classes), **parts},
        "network": config.to_dict(),
        "space": space_digest(space),
    }


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """Returns by what recipe they are trained: that of a training that goes on is the same."""
    return {"recipe": {field.name: getattr(recipe, field.name) for field in dataclasses.fields(Recipe)}}


def space_digest(space: StageSpace) -> str:
    """Returns a hash of all that a space's networks may be."""
    places = [place for part in space.parts.values() for place in part]
    rows = [
        [one.at, [str(block) for block in one.blocks], one.depth, one.width, one.stride, one.options]
        for one in (*places, space.end)
    ]
    text = json.dumps([rows, space.resolutions, space.size, space.least])
    return hashlib.sha256(text.encode()).hexdigest()
