"""A trained network made narrower: channels are taken out of its tensors until they are those of a narrower genotype.

Nothing is known here of families of blocks: which axes shrink, and to how many channels, follows from the shapes of the
narrower network; which axes are the same channels, from the wide one's graph (`nastk.networks.channels`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nastk.networks.channels import Channels

Shapes = Mapping[str, torch.Size]
Cuts = Mapping[int, int]
"""How many channels stay of each group of which some are taken out."""


def cuts(wide: Shapes, narrow: Shapes, channels: Channels) -> dict[int, int] | None:
    """Returns how many channels stay of each group that is narrower in the narrow network than in the wide one.

    Returns:
        None where the one cannot be cut out of the other: it has other layers, is wider somewhere, or differs in
        channels that are not known to be the same everywhere.
    """
    if wide.keys() != narrow.keys():
        return None
    found: dict[int, int] = {}
    for name, shape in wide.items():
        if len(shape) != len(narrow[name]):
            return None
        for place, (before, after) in enumerate(zip(shape, narrow[name], strict=True)):
            if before == after:
                continue
            axis = channels.axes.get((name, place))
            if axis is None or after > before or after % axis.repeat or axis.group in channels.fixed:
                return None
            if found.setdefault(axis.group, after // axis.repeat) * axis.repeat != after:
                return None
    known = [(place, axis) for place, axis in channels.axes.items() if axis.group in found and place[0] in wide]
    agree = all(narrow[name][place] == found[axis.group] * axis.repeat for (name, place), axis in known)
    return found if agree else None


def sliced(tensors: Mapping[str, Tensor], channels: Channels, kept: Mapping[int, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors with some channels alone.

    Args:
        tensors: of the wide network.
        channels: of it.
        kept: of each group that is cut, the channels that stay, ascending: int64 (n,).
    """
    result = dict(tensors)
    for (name, place), axis in channels.axes.items():
        if axis.group in kept and name in result:
            own = kept[axis.group].to(result[name].device)
            places = (own[:, None] * axis.repeat + torch.arange(axis.repeat, device=own.device)).flatten()
            result[name] = result[name].index_select(place, places)
    return {name: tensor.contiguous() for name, tensor in result.items()}


def kept_channels(cut: Cuts, scores: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """Returns the channels with the highest scores of each group that is cut, ascending; of equal ones the first."""
    order = {group: scores[group].argsort(descending=True, stable=True) for group in cut}
    return {group: order[group][:count].sort().values for group, count in cut.items()}


def lost(cut: Cuts, scores: Mapping[int, Tensor]) -> float:
    """Returns the sum of the scores of the channels that `kept_channels` leaves out."""
    return float(sum(scores[group].sort(descending=True).values[count:].sum() for group, count in cut.items()))
