"""A family of networks in another library, as the order of the names that its modules have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

NUMBERED = re.compile(r"([a-z_]+?)([0-9]{1,4})")
NUMBER = re.compile(r"[0-9]{1,4}")
DEEPEST = 16  # modules within modules, of a file that may hold any names
TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
T = TypeVar("T")


@dataclass(frozen=True)
class Family:
    """How another library names the layers of a family of networks.

    A safetensors file keeps no order of its tensors, so that the order of the layers has to follow from their names.

    Attributes:
        name: for messages, e.g. "torchvision's resnet".
        sign: a pattern that a module's name matches in networks of this family and in no other that is like it.
        orders: names that modules of one parent have, in the order in which they compute; the first row holds that has
            them all. Names that are numbers come in their order, as do those of one word and a number ("block2") whose
            row has the word with an asterisk ("block*").
        left_out: names at the top of what nastk's networks do not have, such as auxiliary heads.
        renamed: a pattern and what to put in its place, for files of older versions.
        epsilon: of the batch normalisation.
    """

    name: str
    sign: str
    orders: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...] = ()
    renamed: tuple[str, str] | None = None
    epsilon: float = 1e-5

    def modules(self, names: Iterable[str]) -> list[str] | None:
        """Returns the modules that have tensors in the order in which they compute; None where they are of others."""
        kept = [name for name in names if name.partition(".")[0] not in self.left_out]
        if not any(re.fullmatch(self.sign, name) for name in kept) or max(map(_depth, kept)) > DEEPEST:
            return None
        return self._ordered([tuple(name.split(".")) for name in kept])

    def _ordered(self, names: Sequence[tuple[str, ...]]) -> list[str] | None:
        """Returns dotted names in order; the empty one, of a module that has tensors itself, comes first."""
        children: dict[str, list[tuple[str, ...]]] = {}
        for name in names:
            if name:
                children.setdefault(name[0], []).append(name[1:])
        row = self._row(list(children))
        if row is None:
            return None
        found = [""] if () in names else []
        for child in row:
            below = self._ordered(children[child])
            if below is None:
                return None
            found += [f"{child}.{name}" if name else child for name in below]
        return found

    def _row(self, siblings: Sequence[str]) -> list[str] | None:
        """Returns the modules of one parent in order, None where no row of the family has them all."""
        if all(NUMBER.fullmatch(name) for name in siblings):
            return sorted(siblings, key=int)
        for order in self.orders:
            places = [_place(name, order) for name in siblings]
            known = [place for place in places if place is not None]
            if len(known) == len(siblings):
                return [name for _, name in sorted(zip(known, siblings, strict=True))]
        return None


def _depth(name: str) -> int:
    return name.count(".") + 1


def _place(name: str, order: Sequence[str]) -> tuple[int, int] | None:
    if name in order:
        return order.index(name), 0
    numbered = NUMBERED.fullmatch(name)
    if numbered is not None and f"{numbered[1]}*" in order:
        return order.index(f"{numbered[1]}*"), int(numbered[2])
    return None


def layers_of(tensors: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Returns tensors by their module and what they are to it ("weight", "running_mean"), in the order given."""
    found: dict[str, dict[str, T]] = {}
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        found.setdefault(module, {})[kind] = tensor
    return found


def layers_there(family: Family, tensors: Mapping[str, T]) -> list[tuple[str, dict[str, T]]] | None:
    """Returns the layers of a file in the family's order, each with its name there; None where it is of another."""
    if family.renamed is not None:
        tensors = {re.sub(*family.renamed, name): tensor for name, tensor in tensors.items()}
    layers = layers_of(tensors)
    order = family.modules(layers)
    if order is None or any(kind not in TENSORS for layer in layers.values() for kind in layer):
        return None
    return [(name, layers[name]) for name in order]
