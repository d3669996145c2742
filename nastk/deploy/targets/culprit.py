"""Finds the operation of a cell that a converter refuses, whose own message names neither cell nor edge."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

EDGE = re.compile(r"stages\.(\d+)\.edges\.(\d+)")


def refused_edge(
    network: nn.Module, shape: tuple[int, int, int], convert: Callable[[nn.Module, Tensor], object]
) -> str | None:
    """Converts operations alone, one of each kind, until one is refused.

    Args:
        network: in eval mode on the CPU.
        shape: of its images, (channels, height, width).
        convert: writes a module for an example of its input, and raises where it cannot.

    Returns:
        The cell, the edge and the class of the operation; None where each can be written alone.
    """
    for name, (edge, example) in _edges(network, shape).items():
        try:
            convert(edge, example)
        except Exception:  # the converters' exceptions share no base class
            cell, index = EDGE.fullmatch(name).groups()  # type: ignore[union-attr]
            return f"cell {cell}, edge {index} ({type(edge).__name__})"
    return None


def _edges(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, tuple[nn.Module, Tensor]]:
    """Returns the first edge of each kind, with what it reads, by name; kinds that differ in numbers alone are one."""
    found: dict[str, tuple[nn.Module, Tensor]] = {}
    kinds = set()

    def keep(name: str, edge: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kind = re.sub(r"\d+", "", repr(edge))
        if kind not in kinds:
            kinds.add(kind)
            found[name] = edge, inputs[0].detach()

    edges = [(name, module) for name, module in network.named_modules() if EDGE.fullmatch(name)]
    hooks = [module.register_forward_pre_hook(partial(keep, name)) for name, module in edges]
    try:
        with torch.no_grad():
            network(torch.zeros(1, *shape))
    finally:
        for hook in hooks:
            hook.remove()
    return found
