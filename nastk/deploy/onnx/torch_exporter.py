"""The general way to write a network: torch's own exporter, for what the quick writer cannot say."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence

import onnx
import torch
from torch import nn

from nastk.deploy.onnx.graph import INPUT, OPSET, OUTPUT
from nastk.errors import UserError
from nastk.ops.merging import merged_network
from nastk.version import __version__


def exported_model(
    network: nn.Module,
    example_shape: tuple[int, ...],
    metadata: Mapping[str, str] | None = None,
    outputs: Sequence[str] = (OUTPUT,),
) -> onnx.ModelProto:
    """Writes the network with `torch.onnx.export` (dynamo), in the same form: names, free batch, pooling.

    Raises:
        UserError: torch's exporter cannot write this network either.
    """
    network = merged_network(network)
    # Two images: an example of one would let the exporter take the batch for a constant.
    example = torch.zeros((2, *example_shape[1:]))
    with evaluating(network), _silence():
        try:
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(outputs),
                external_data=False,
                verbose=False,
            )
        except Exception as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"{type(network).__name__}: cannot be written as ONNX ({first})") from error
    assert program is not None
    model = program.model_proto
    _pool_globally(model)
    model.producer_name, model.producer_version = "nastk", __version__
    onnx.helper.set_model_props(model, dict(sorted((metadata or {}).items())))
    return model


def _pool_globally(model: onnx.ModelProto) -> None:
    """Rewrites the mean over height and width as GlobalAveragePool, which ONNX Runtime's quantizer knows."""
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        axes = constants.get(node.input[1]) if node.op_type == "ReduceMean" and len(node.input) == 2 else None
        if axes is None or sorted(int(axis) for axis in axes.flat) not in ([2, 3], [-2, -1]):
            nodes.append(node)
        elif any(attribute.name == "keepdims" and not attribute.i for attribute in node.attribute):
            pooled = f"{node.output[0]}.pooled"
            nodes.append(onnx.helper.make_node("GlobalAveragePool", node.input[:1], [pooled], name=pooled))
            nodes.append(onnx.helper.make_node("Flatten", [pooled], node.output, name=node.name, axis=1))
        else:
            nodes.append(onnx.helper.make_node("GlobalAveragePool", node.input[:1], node.output, name=node.name))
    copies = copy.deepcopy(nodes)
    del model.graph.node[:]
    model.graph.node.extend(copies)


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards every module's mode is what it was."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps the exporter's progress, warnings and log lines from the user, who did not ask for them."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
