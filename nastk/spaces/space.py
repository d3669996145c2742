"""What all search spaces share: how choices are asked for, drawn at random and replayed, and how fields are checked."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from nastk.errors import UserError, unknown
from nastk.genotype import MAX_NODES, Genotype

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


def checked_names(where: str, kind: str, names: object, valid: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of a list from a configuration as a tuple.

    Args:
        where: the field, e.g. "space: ops".
        kind: what one name stands for, e.g. "op".
        names: a list, tuple or OmegaConf list.
        valid: the names there are.

    Raises:
        UserError: it is no list, is empty, has a name twice or an unknown one.
    """
    if isinstance(names, str | Mapping) or not isinstance(names, Iterable):
        raise UserError(f"{where}={names!r}, expected a list of names")
    found = tuple(names)
    if not found:
        raise UserError(f"{where}=[], expected at least one of {', '.join(valid)}")
    for index, name in enumerate(found):
        if name not in valid:
            raise unknown(f"{kind} in {where}", name, valid)
        if name in found[:index]:
            raise UserError(f"{where}: {name!r} is there twice, expected every name once")
    return found


def checked_count(where: str, count: object, least: int, most: int = MAX_NODES) -> int:
    """Returns a whole number of a configuration.

    Raises:
        UserError: it is something else, or not in `least` to `most`.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not least <= count <= most:
        raise UserError(f"{where}={count!r}, expected a whole number from {least} to {most}")
    return count
