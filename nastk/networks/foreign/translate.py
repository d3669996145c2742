"""Gives the tensors of another library's file the names that nastk's network has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from nastk.networks.foreign.families import FAMILIES
from nastk.networks.foreign.family import Family, layers_of, layers_there

WRAPPED = ("module.", "_orig_mod.")  # by torch's DataParallel and torch.compile
AUXILIARY, CLASSIFIER = "auxiliary.", "classifier."


class Translation(NamedTuple):
    """A file's tensors under nastk's names; `reason` says why there are none, where there are none."""

    family: Family
    tensors: dict[str, Tensor]
    reason: str = ""


def translated(found: Mapping[str, Tensor], network: nn.Module) -> Translation | None:
    """Returns the tensors by the names of the network, layer by layer; None where the names are of no known family.

    Shapes are not compared, but for a convolution of one pixel where the network has a linear layer, or the other way
    round, which are the same numbers. The variances of a library whose batch normalisation has another epsilon are
    shifted by the difference, so that the network computes the same.

    Args:
        found: of the file, by its names.
        network: to be filled, on any device.
    """
    for prefix in WRAPPED:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    for family in FAMILIES:
        there = layers_there(family, found)
        if there is not None:
            return _matched(family, there, network)
    return None


def _matched(family: Family, there: list[tuple[str, dict[str, Tensor]]], network: nn.Module) -> Translation:
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(AUXILIARY)}
    here = layers_of(state)
    body = sum(not f"{name}.".startswith(CLASSIFIER) for name in here)
    if not body <= len(there) <= len(here):
        return Translation(family, {}, f"{len(there)} layers there, {len(here)} here")
    tensors = {}
    for name, (_, layer) in zip(here, there, strict=False):
        for kind, tensor in layer.items():
            known = here[name].get(kind)
            tensors[f"{name}.{kind}"] = tensor if known is None else _reshaped(tensor, known)
    for name, module in network.named_modules():
        variance = f"{name}.running_var"
        if isinstance(module, nn.BatchNorm2d) and variance in tensors and module.eps != family.epsilon:
            tensors[variance] = tensors[variance] + (family.epsilon - module.eps)
    return Translation(family, tensors)


def _reshaped(tensor: Tensor, known: Tensor) -> Tensor:
    """Returns a layer's weight in the form that it has here, where only the form differs."""
    alike = tensor.ndim != known.ndim and {tensor.ndim, known.ndim} == {2, 4} and tensor.numel() == known.numel()
    return tensor.reshape(known.shape) if alike and tensor.shape[0] == known.shape[0] else tensor
