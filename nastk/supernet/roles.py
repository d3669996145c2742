"""What each weight of a block is there for, by a name that blocks of other widths, kernels and options give it too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

UNNAMED = "branch"  # of a block with a shortcut; the same block without one has its layers at the top


def roles(block: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Returns the weights of a block by their roles, as "pointwise.1.weight": the layer of each, and its name there.

    Layers of one kind in one part of the block are counted from its end: an inverted residual of expansion 1 lacks the
    first of its 1x1 convolutions, and its only one is still the last. A normalisation goes with the convolution before.
    """
    layers = [(_part(name), layer) for name, layer in block.named_modules() if layer._parameters]
    left = Counter((part, _kind(layer)) for part, layer in layers)
    found: dict[str, tuple[nn.Module, str]] = {}
    before: dict[str, str] = {}
    for part, layer in layers:
        kind = _kind(layer)
        left[part, kind] -= 1
        name = f"{part}{kind}.{left[part, kind]}"
        if isinstance(layer, _BatchNorm) and part in before:
            name = f"{before.pop(part)}.norm"
        elif not isinstance(layer, _BatchNorm):
            before[part] = name
        found.update((f"{name}.{own}", (layer, own)) for own, weight in layer._parameters.items() if weight is not None)
    return found


def blocks_of(module: nn.Module, depth: int) -> Iterator[nn.Module]:
    """Yields the blocks of a stage's module; the module itself where it is not one after the other."""
    if depth > 1 and isinstance(module, nn.Sequential) and len(module) == depth:
        yield from module
    else:
        yield module


def _part(name: str) -> str:
    words = [word for word in name.split(".") if word and not word.isdigit() and word != UNNAMED]
    return "".join(f"{word}." for word in words)


def _kind(layer: nn.Module) -> str:
    if not isinstance(layer, nn.Conv2d):
        return type(layer).__name__.lower()
    if layer.groups > 1:
        return "depthwise" if layer.groups == layer.in_channels else "grouped"
    return "pointwise" if max(layer.kernel_size) == 1 else "full"
