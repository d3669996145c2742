"""What of other weights fits into a network: the same names and shapes, or those of another library's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nastk.networks.foreign import translated

AUXILIARY = "auxiliary"
LONGEST = 80
NAMED = 3  # so many names of what did not fit are told
LEAST = 0.5  # of a network's parameters; with fewer it is another network's file


class Fit(NamedTuple):
    """What of a file fits.

    Attributes:
        taken: by the network's names, of its shapes and types.
        share: of the network's parameters that are among them, without an auxiliary head's; 0 to 1.
        told: what was taken, and what was not, for a person to read.
    """

    taken: dict[str, Tensor]
    share: float
    told: str

    @property
    def enough(self) -> bool:
        """Whether the file can be said to be of this network."""
        return self.share >= LEAST


def fitting(found: Mapping[str, Tensor], network: nn.Module, channels: int) -> Fit:
    """Returns what of a file fits into a network.

    A first convolution for images of another number of channels is summed over its channels and shared equally among
    those that there are: grey images in three equal channels give what they gave before.

    Args:
        found: tensors by the names of the file, nastk's or those of a known family of another library.
        network: to be filled, on any device, the meta device too.
        channels: of its images.
    """
    expected = network.state_dict()
    foreign = translated(found, network)
    tensors = foreign.tensors if foreign is not None else dict(found)
    before = _recoloured(tensors, expected, channels)
    taken = {
        name: tensors[name].to(one.dtype)
        for name, one in expected.items()
        if name in tensors and tensors[name].shape == one.shape and _alike(tensors[name], one)
    }
    counts = {name: one.numel() for name, one in network.named_parameters() if not name.startswith(AUXILIARY)}
    share = sum(count for name, count in counts.items() if name in taken) / max(sum(counts.values()), 1)
    told = [f"{len(taken)} of {len(expected)} tensors, {100 * share:.3g}% of the parameters"]
    if foreign is not None:
        told.append(f"by the names of {foreign.family.name}{f' ({foreign.reason})' if foreign.reason else ''}")
    if before:
        told.append(f"the first convolution made for {channels} channel(s) of {before}")
    if foreign is None or foreign.tensors:
        told += _left(tensors, expected, taken)
    return Fit(taken, share, "; ".join(told))


def _alike(tensor: Tensor, one: Tensor) -> bool:
    return tensor.is_floating_point() == one.is_floating_point()


def _recoloured(tensors: dict[str, Tensor], expected: Mapping[str, Tensor], channels: int) -> int:
    """Changes the first convolution to the images' channels; returns how many it had, 0 where it is as it was."""
    name = next((name for name, one in expected.items() if one.ndim == 4), None)
    if name is None or name not in tensors or tensors[name].ndim != 4:
        return 0
    weight, shape = tensors[name], expected[name].shape
    same = shape[1] == channels and (weight.shape[0], *weight.shape[2:]) == (shape[0], *shape[2:])
    if not same or weight.shape[1] in (0, channels):
        return 0
    tensors[name] = weight.sum(1, keepdim=True).expand(*shape).contiguous() / channels
    return int(weight.shape[1])


def _left(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], taken: Mapping[str, Tensor]) -> list[str]:
    """Returns what did not fit, a group a text: another head, other shapes, what one of the two sides lacks."""
    told = []
    last = [name for name, one in expected.items() if not name.startswith(AUXILIARY) and one.ndim > 1][-1:]
    head = {name.rpartition(".")[0] for name in last}
    names = [name for name in expected if name not in taken and not name.endswith("num_batches_tracked")]
    for name in last:
        if name in names and name in tensors and tensors[name].shape[1:] == expected[name].shape[1:] != ():
            told.append(f"classifier: {len(tensors[name])} classes there, {len(expected[name])} here, drawn anew")
        elif name in names and name not in tensors:
            told.append("classifier: not there, drawn anew")
        elif name in names:
            head.clear()
    if any(name.startswith(AUXILIARY) for name in names):
        told.append("auxiliary head: drawn anew")
    names = [name for name in names if name.rpartition(".")[0] not in head and not name.startswith(AUXILIARY)]
    other = [name for name in names if name in tensors]
    told += _listed(
        "of another shape", [f"{name} {_shape(tensors[name])} for {_shape(expected[name])}" for name in other]
    )
    told += _listed("not there", [name for name in names if name not in tensors])
    told += _listed("there and not here", sorted(name for name in tensors if name not in expected))
    return told


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{len(names)} {what}: {', '.join(map(_shown, names[:NAMED]))}{more}"]


def _shown(name: str) -> str:
    """Returns a name out of a file, which may be any text, for a line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST])


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def unusable(tensors: Mapping[str, Tensor]) -> str:
    """Returns the name of the first tensor that holds a number which is not finite, "" where there is none."""
    floats = ((name, one) for name, one in tensors.items() if one.is_floating_point())
    return next((_shown(name) for name, one in floats if not bool(torch.isfinite(one.float()).all())), "")
