"""A network as the rows of a table: output shape, parameters and multiply-accumulates of each block or layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import fx, nn

from nastk.deploy.onnx.absorbed import module_of
from nastk.deploy.onnx.emitting import pair
from nastk.deploy.onnx.writer import traced_network
from nastk.networks.config import NetworkConfig
from nastk.networks.count import CallCount, count_calls
from nastk.ops.merging import merged_network

POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
NOT_RUN = "not run"


@dataclass
class LayerRow:
    """A block, or a layer with the normalisation, activation and sums that follow it.

    Attributes:
        name: its path in the network.
        kind: what it is, as in "residual bottleneck" or "conv 3x3, stride 2".
        output: shape of one image's result, (C, H, W) or (C,); empty for weights that are not run.
        params: weights that training changes.
        macs: multiply-accumulates of one image; branches are merged as in an exported file.
        calls: names of the traced calls that it is made of.
    """

    name: str
    kind: str
    output: tuple[int, ...] = ()
    params: int = 0
    macs: int = 0
    calls: list[str] = field(default_factory=list)


def block_rows(network: nn.Module, config: NetworkConfig, parts: Mapping[str, str]) -> list[LayerRow]:
    """Returns a row for each part of a network.

    Args:
        network: on the meta device, without auxiliary head.
        config: of it, for the image.
        parts: paths and names, as `nastk.networks.parts` gives them.

    Raises:
        UnsupportedError: the network's calls cannot be told without running it.
    """
    rows = {path: LayerRow(path, name) for path, name in parts.items()}
    latest = next(iter(rows))
    for node, count in _counted(network, config):
        latest = _owner(rows, _path(node)) or latest
        _add(rows[latest], node, count)
        rows[latest].output = count.shape or rows[latest].output
    return [*rows.values(), *_weighed(network, rows)]


def layer_rows(network: nn.Module, config: NetworkConfig) -> list[LayerRow]:
    """Returns a row for each convolution, linear layer, pooling and whatever else multiplies; else as `block_rows`."""
    merged = merged_network(network)
    rows: list[LayerRow] = []
    by_path: dict[str, LayerRow] = {}
    for node, count in _counted(network, config):
        module = module_of(node, merged)
        if not rows or count.macs or isinstance(module, POOLINGS):
            name = str(node.target) if module is not None else node.name
            rows.append(LayerRow(name, _kind(node, module), count.shape))
        _add(rows[-1], node, count)
        if node.op in ("call_module", "get_attr"):
            by_path.setdefault(str(node.target), rows[-1])
    return [*rows, *_weighed(network, by_path)]


def _counted(network: nn.Module, config: NetworkConfig) -> list[tuple[fx.Node, CallCount]]:
    """Returns the calls of a network with what they come to, without its input and output."""
    merged = merged_network(network)
    training = [part for part in network.modules() if part.training]
    merged.eval()
    try:
        traced = traced_network(merged)
        counts = count_calls(merged, traced, config)
    finally:
        for part in training:
            part.training = True
    return [(node, counts[node.name]) for node in traced.nodes if node.op not in ("placeholder", "output")]


def _add(row: LayerRow, node: fx.Node, count: CallCount) -> None:
    row.macs += count.macs
    row.calls.append(node.name)


def _path(node: fx.Node) -> str:
    """Returns the path of the module that a call is made in, that of the module which is called where it is one."""
    if node.op in ("call_module", "get_attr"):
        return str(node.target)
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack.values()))[0]) if stack else ""


def _owner(known: Mapping[str, object], path: str) -> str | None:
    """Returns the longest of the known paths that a path is, or lies below."""
    while path and path not in known:
        path = path.rpartition(".")[0]
    return path or None


def _weighed(network: nn.Module, rows: Mapping[str, LayerRow]) -> list[LayerRow]:
    """Counts every weight in the row of the path that it lies below; returns a row for those of none, if there are."""
    left = LayerRow("", NOT_RUN)
    for name, weight in network.named_parameters():
        owner = _owner(rows, name)
        row = left if owner is None else rows[owner]
        row.params += weight.numel()
    return [left] if left.params else []


def _kind(node: fx.Node, module: nn.Module | None) -> str:
    """Returns what a layer is, for a person to read."""
    if isinstance(module, nn.Conv2d):
        parts = [_convolution(module), *_stride(module.stride)]
        if max(pair(module.dilation)) > 1:
            parts.append(f"dilation {_size(module.dilation)}")
        return ", ".join(parts)
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return f"global {'average' if isinstance(module, nn.AdaptiveAvgPool2d) else 'max'} pool"
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        kind = "max" if isinstance(module, nn.MaxPool2d) else "average"
        return ", ".join([f"{kind} pool {_size(module.kernel_size)}", *_stride(module.stride)])
    target = node.target if module is None else type(module)
    return str(getattr(target, "__name__", target))


def _convolution(conv: nn.Conv2d) -> str:
    size = _size(conv.kernel_size)
    if conv.groups == 1:
        return f"conv {size}"
    if conv.groups == conv.in_channels:
        return f"depthwise conv {size}"
    return f"conv {size}, {conv.groups} groups"


def _stride(stride: int | Sequence[int]) -> list[str]:
    height, width = pair(stride)
    if height == width:
        return [f"stride {height}"] if height > 1 else []
    return [f"stride {height}x{width}"]


def _size(size: int | Sequence[int]) -> str:
    return "x".join(map(str, pair(size)))
