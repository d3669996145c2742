"""What all search spaces share: how choices are asked for, drawn at random and replayed, and how fields are checked."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from nastk.errors import UserError, unknown
from nastk.genotype import Genotype

Value = str | int
Choose = Callable[[str, Sequence[Value]], Value]


class Space(Protocol):
    """A search space: a function from choices to a genotype.

    `genotype` calls `choose(name, options)` once for every choice, in an order that never changes, and a name always
    comes with the same options. During a search `choose` is `trial.suggest_categorical`.
    """

    def genotype(self, choose: Choose) -> Genotype: ...


def random_genotype(space: Space, rng: random.Random) -> Genotype:
    """Returns a genotype with every choice drawn uniformly."""
    return space.genotype(lambda _, options: rng.choice(options))


def replay(space: Space, choices: Mapping[str, Value]) -> Genotype:
    """Rebuilds the genotype that a record of choices stands for; choices that the space never asks for are ignored.

    Args:
        space: the space that the choices were made in.
        choices: value by name, as in `optuna.trial.FrozenTrial.params`.

    Raises:
        UserError: a choice is missing, or its value is not among the options.
    """

    def choose(name: str, options: Sequence[Value]) -> Value:
        if name not in choices:
            raise UserError(f"choice {name!r} is missing, expected one of {', '.join(map(str, options))}")
        return choices[name]

    return space.genotype(choose)


def ask(choose: Choose, name: str, options: Sequence[Value]) -> Value:
    """Returns the chosen option; with a single option there is nothing to choose, and `choose` is not called.

    Raises:
        UserError: `choose` gave something else than an option.
    """
    if len(options) == 1:
        return options[0]
    value = choose(name, options)
    if isinstance(value, bool) or value not in options:
        raise unknown(f"value of choice {name!r}", value, map(str, options))
    return options[options.index(value)]


def ask_state(choose: Choose, name: str, states: int) -> int:
    """Returns one of the states 0 to `states - 1`."""
    return int(ask(choose, name, range(states)))


def ask_name(choose: Choose, name: str, options: Sequence[str]) -> str:
    """Returns one of the names."""
    return str(ask(choose, name, options))
