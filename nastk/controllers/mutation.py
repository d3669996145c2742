"""Small steps in a space of choices: one choice changed, all choices changed one at a time, and what one step means."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from nastk.controllers.history import Choices, Key, Record, key
from nastk.controllers.options import hashable

TRIES = 64


def mutated(parent: Record, rng: random.Random, steps: int = 1) -> dict[str, Any]:
    """Returns the parent's choices with `steps` of them changed to another option, drawn uniformly."""
    child = dict(parent.choices)
    free = [name for name, among in parent.options.items() if len(among) > 1]
    for name in rng.sample(free, min(steps, len(free))):
        if left := others(parent, name):  # none where an option was listed twice, as 1 and True are
            child[name] = rng.choice(left)
    return child


def others(record: Record, name: str) -> list[Any]:
    """Returns the options that a choice of a record did not take."""
    taken = hashable(record.choices[name])
    return [option for option in record.options[name] if hashable(option) != taken]


def unseen_mutation(parent: Record, rng: random.Random, seen: Collection[Key]) -> dict[str, Any]:
    """Returns a mutation that is not among `seen`: one step away if such is found, else further away."""
    child: dict[str, Any] = {}
    for attempt in range(TRIES):
        child = mutated(parent, rng, steps=1 + attempt // (TRIES // 4))
        if key(child) not in seen:
            break
    return child


def neighbours(center: Record) -> list[tuple[str, Any]]:
    """Returns every single change of a record's choices, as (name, other option)."""
    return [(name, option) for name in center.options for option in others(center, name)]


def step_between(center: Choices, other: Choices) -> tuple[str, Any] | None:
    """Returns the single change (name, option) that leads from `center` to `other`, or None where it takes more.

    Choices that only one of the two had to make, because they hang on another choice, do not count.
    """
    step = None
    for name, value in other.items():
        if name in center and hashable(center[name]) != hashable(value):
            if step is not None:
                return None
            step = (name, value)
    return step
