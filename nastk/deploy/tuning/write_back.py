"""Weights of an ONNX graph, batch normalisation folded in, put back into the torch network that it was written from."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.onnx.writer import layers_by_node
from nastk.deploy.tuning.weighted import Folded
from nastk.errors import UserError
from nastk.ops.merging import Mergeable


def write_back(network: nn.Module, weights: Mapping[str, Folded], example_shape: tuple[int, ...]) -> None:
    """Gives a network the weights of its graph's nodes; written as ONNX again, it gives that very graph.

    A batch normalisation that was folded becomes one that adds the bias and does nothing else; of branches that were
    merged one does all.

    Args:
        network: is changed. Layers that the graph does not hold, such as an auxiliary head's, stay as they are.
        weights: by the name of the node.
        example_shape: of the input, (N, C, H, W).

    Raises:
        UserError: the graph is not one that `quick_model` writes of this network.
    """
    try:
        layers = layers_by_node(network, example_shape)
    except UnsupportedError as reason:
        raise UserError(f"fine-tuning for int8: this network cannot be traced ({reason})") from None
    missing = sorted(weights.keys() ^ layers.keys())
    if missing:
        raise UserError(f"fine-tuning for int8: node {missing[0]!r} is in the network or in its graph, but not in both")
    with torch.no_grad():
        for name, folded in weights.items():
            for module, norm in layers[name]:
                if isinstance(module, Mergeable):
                    bias = torch.zeros(len(folded.weight)) if folded.bias is None else folded.bias
                    module.set_merged(folded.weight, bias)
                elif isinstance(module, nn.BatchNorm2d):
                    _set_norm(module, folded.weight.flatten(), folded.bias)
                else:
                    _set_layer(module, norm, folded)


def _set_layer(module: nn.Module, norm: nn.BatchNorm2d | None, folded: Folded) -> None:
    assert isinstance(module, nn.Conv2d | nn.Linear)
    weight = folded.weight
    if isinstance(module, nn.Conv2d):
        # The graph's kernel may begin with zeros that stand for a crop before the layer.
        height, width = module.weight.shape[2:]
        weight = weight[:, :, -height:, -width:]
    module.weight.copy_(weight)
    if norm is not None:
        _set_norm(norm, torch.ones(len(folded.weight)), folded.bias)
    if module.bias is not None:
        module.bias.copy_(folded.bias if norm is None and folded.bias is not None else torch.zeros(len(folded.weight)))


def _set_norm(norm: nn.BatchNorm2d, scale: Tensor, shift: Tensor | None) -> None:
    """Makes a normalisation compute scale * x + shift in eval mode."""
    if norm.weight is None or norm.running_mean is None or norm.running_var is None or shift is None:
        raise UserError(
            "fine-tuning for int8: a batch normalisation without weights or statistics cannot be written back"
        )
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.copy_(scale)
    norm.bias.copy_(shift)
