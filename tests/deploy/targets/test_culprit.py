"""The operation that a converter refuses is found by its cell and edge, and no operation is tried twice."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nastk.deploy.onnx.writer import quick_model
from nastk.deploy.targets.culprit import refused_edge
from tests.deploy.networks import network

SHAPE = (3, 16, 16)


class Folding(nn.Module):
    """An operation that no converter knows."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.det(x.unsqueeze(-1) * x.unsqueeze(-2)[..., :1, :]).unsqueeze(-1) + x


def planted() -> tuple[nn.Module, int]:
    """Returns a network with such an operation in its third cell, and its edge."""
    module = network("nasbench201", 1)
    edge = next(index for index, part in enumerate(module.stages[2].edges) if isinstance(part, nn.Sequential))
    module.stages[2].edges[edge] = Folding()
    return module, edge


def test_the_operation_that_is_refused_is_named() -> None:
    def convert(part: nn.Module, example: Tensor) -> None:
        quick_model(nn.Sequential(part, nn.AdaptiveAvgPool2d(1), nn.Flatten()), tuple(example.shape))

    module, edge = planted()
    found = refused_edge(module, SHAPE, convert)
    assert found == f"cell 2, edge {edge} (Folding)"


def test_where_each_can_be_written_alone_nothing_is_named_and_each_kind_was_tried_once() -> None:
    module, tried = network("nasnet", 1), []

    def convert(part: nn.Module, example: Tensor) -> None:
        part(example)
        tried.append(type(part).__name__ + repr(part).translate(dict.fromkeys(map(ord, "0123456789"))))

    assert refused_edge(module, SHAPE, convert) is None
    assert tried and len(tried) == len(set(tried))
    assert not any(part._forward_pre_hooks for part in module.modules())
