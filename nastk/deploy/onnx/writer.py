"""Writes a network as one ONNX file, quickly, the same way for a search candidate and for shipping."""

from __future__ import annotations

import logging
import operator
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from nastk.deploy.onnx import (  # noqa: F401  (they enter their emitters)
    activation_emitters,
    channel_emitters,
    normalisation_emitters,
    pooling_emitters,
    resizing_emitters,
    sequence_emitters,
)
from nastk.deploy.onnx.absorbed import absorbed, module_of
from nastk.deploy.onnx.emitters import convolution
from nastk.deploy.onnx.emitting import EMITTERS, SHAPED, Call, UnsupportedError, Value, emit
from nastk.deploy.onnx.graph import INPUT, OUTPUT, GraphBuilder
from nastk.deploy.onnx.torch_exporter import evaluating, exported_model
from nastk.files import write_bytes
from nastk.ops.merging import Mergeable, merged_network
from nastk.version import __version__

CLASSIFIER = (OUTPUT,)


def write_onnx(
    network: nn.Module, path: Path, example_shape: tuple[int, ...], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes the network as it computes in eval mode.

    The file has input `image` (N, C, H, W) float32, output `logits` (N, classes) float32, a free batch size N, batch
    normalisation folded into the convolutions, branches merged into one (`nastk.ops.merging`), and no data outside.
    Equal weights give equal bytes.

    Args:
        network: any module from images to logits; what the quick writer cannot express goes through torch's exporter.
        path: replaced at once.
        example_shape: of the input, (N, C, H, W); N is of no consequence.
        metadata: text pairs to keep in the file.

    Raises:
        UserError: the folder is missing or not writable.
    """
    write_bytes(path, serialise(onnx_model(network, example_shape, metadata)))


def serialise(model: onnx.ModelProto) -> bytes:
    """Returns the bytes of a model, the same for equal models."""
    return bytes(model.SerializeToString(deterministic=True))


def onnx_model(
    network: nn.Module,
    example_shape: tuple[int, ...],
    metadata: Mapping[str, str] | None = None,
    outputs: Sequence[str] = CLASSIFIER,
) -> onnx.ModelProto:
    """Returns the model that `write_onnx` writes, by the quick writer or, where that gives up, by torch's exporter.

    Args:
        network, example_shape, metadata: as `write_onnx` takes them.
        outputs: names of what comes out, where it is not a classifier's logits: float32, the batch first.
    """
    try:
        return quick_model(network, example_shape, metadata, outputs)
    except UnsupportedError as reason:
        logging.getLogger(__name__).info("torch.onnx.export instead of the quick writer: %s", reason)
        return exported_model(network, example_shape, metadata, outputs)


def quick_model(
    network: nn.Module,
    example_shape: tuple[int, ...],
    metadata: Mapping[str, str] | None = None,
    outputs: Sequence[str] = CLASSIFIER,
) -> onnx.ModelProto:
    """Traces the network symbolically and writes each call by the table of emitters.

    Raises:
        UnsupportedError: a call that the table cannot say exactly, or control flow that depends on data.
    """
    graph, values = _written(merged_network(network), example_shape, outputs)
    result = next(value for node, value in values.items() if node.op == "output")
    found = result if isinstance(result, tuple | list) else [result]
    names = {value.name for value in found if isinstance(value, Value)} - {INPUT}
    if not len(found) == len(names) == len(outputs):
        raise UnsupportedError(f"the network's result is not a tensor each for {', '.join(outputs)}")
    if outputs == CLASSIFIER and found[0].rank != 2:
        raise UnsupportedError("the network's result is not one tensor (N, classes)")
    made = {name: (value.name, value.rank) for name, value in zip(outputs, found, strict=True)}
    return graph.model(made, example_shape[1:], metadata or {}, __version__)


class _Tracer(fx.Tracer):
    """Takes a module that an emitter writes as one call, whoever it is of."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in EMITTERS or super().is_leaf_module(m, module_qualified_name)


class Layer(NamedTuple):
    """A convolution, linear layer, batch normalisation or module of merged branches, with the normalisation that is
    folded into it, if any.
    """

    module: nn.Module
    norm: nn.BatchNorm2d | None


def layers_by_node(network: nn.Module, example_shape: tuple[int, ...]) -> dict[str, list[Layer]]:
    """Returns, by the name of the node that `quick_model` writes for it, each layer with weights; equal ones share it.

    Raises:
        UnsupportedError: as `quick_model`.
    """
    whole = merged_network(network)
    _, values = _written(whole, example_shape)
    found: dict[str, list[Layer]] = {}
    folded = {_norm_after(node, whole) for node in values}
    for node, value in values.items():
        module = module_of(node, network)
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | Mergeable) and module not in folded:
            found.setdefault(value.name, []).append(Layer(module, _norm_after(node, whole)))
    return found


def calls_by_node(network: nn.Module, example_shape: tuple[int, ...]) -> dict[str, str]:
    """Returns, by the name of each node that `quick_model` writes, the call of `traced_network` that it is written for.

    Raises:
        UnsupportedError: as `quick_model`.
    """
    return _written(merged_network(network), example_shape)[0].calls


def traced_network(network: nn.Module) -> fx.Graph:
    """Returns the calls that a network in eval mode is made of, in their order; it has no `Mergeable` in it.

    Raises:
        UnsupportedError: control flow that depends on data.
    """
    try:
        return _Tracer().trace(network)
    except Exception as error:  # whatever a forward does with a proxy, the general exporter may still take it
        raise UnsupportedError(f"tracing: {type(error).__name__}: {error}") from error


def _written(
    network: nn.Module, example_shape: tuple[int, ...], outputs: Sequence[str] = CLASSIFIER
) -> tuple[GraphBuilder, dict[fx.Node, Any]]:
    """Returns the graph, and what each traced call became in it."""
    with evaluating(network):
        traced = traced_network(network)
        _tell_shapes(traced, network, example_shape)
        graph, values = GraphBuilder(outputs), dict[fx.Node, Any]()
        for node in traced.nodes:
            graph.call = node.name
            values[node] = _write(node, graph, values, network, len(example_shape))
    return graph, values


def _tell_shapes(traced: fx.Graph, network: nn.Module, example_shape: tuple[int, ...]) -> None:
    """Gives each call the shape of its result, where one of them is of `SHAPED`."""
    if any(_target(node, network) in SHAPED for node in traced.nodes):
        ShapeProp(fx.GraphModule(network, traced)).propagate(torch.zeros(1, *example_shape[1:]))


def _target(node: fx.Node, network: nn.Module) -> object:
    module = module_of(node, network)
    return node.target if module is None else type(module)


def _shape(node: fx.Node, network: nn.Module) -> tuple[int, ...]:
    """Returns the shape of what a call of `SHAPED` reads, nothing for others."""
    return tuple(node.all_input_nodes[0].meta["tensor_meta"].shape) if _target(node, network) in SHAPED else ()


def _write(node: fx.Node, graph: GraphBuilder, values: dict[fx.Node, Any], network: nn.Module, rank: int) -> Any:
    arguments: Any = fx.node.map_arg((node.args, node.kwargs), lambda source: values[source])
    args, kwargs = arguments
    if node.op == "output":
        return args[0]
    if node.op == "placeholder":
        if Value(INPUT, rank) in values.values():
            raise UnsupportedError("a network of several inputs")
        return Value(INPUT, rank)
    if node.op == "get_attr":
        return attrgetter(str(node.target))(network)
    module = module_of(node, network)
    call = Call(graph, node.name, module, _shape(node, network))
    _refuse_shared_in_place(node, call)
    if type(module) is nn.BatchNorm2d and _norm_after(node.all_input_nodes[0], network) is module:
        return args[0]
    if type(module) is nn.Conv2d:
        source, padded, cropped = absorbed(node, network)
        return convolution(call, values[source], module, _norm_after(node, network), padded, cropped)
    return emit(_target(node, network), call, args, kwargs)


def _norm_after(node: fx.Node, network: nn.Module) -> nn.BatchNorm2d | None:
    """Returns the batch normalisation that is the only reader of a convolution, None elsewhere."""
    if not isinstance(module_of(node, network), nn.Conv2d) or len(node.users) != 1:
        return None
    norm = module_of(next(iter(node.users)), network)
    return norm if type(norm) is nn.BatchNorm2d else None


def _refuse_shared_in_place(node: fx.Node, call: Call) -> None:
    in_place = getattr(call.module, "inplace", False) or node.kwargs.get("inplace", False)
    in_place = in_place or node.target in (operator.iadd, operator.imul)
    in_place = in_place or (isinstance(node.target, str) and node.op == "call_method" and node.target.endswith("_"))
    if in_place and len(node.all_input_nodes[0].users) > 1:
        raise UnsupportedError(f"{node.name} overwrites a tensor that others read")
