"""Parameters and multiply-accumulates of a network, counted without computing anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from nastk.networks.config import NetworkConfig
from nastk.ops.merging import merged_network

# They keep the shape and count nothing, but take most of the time where tensors have no content.
UNCOUNTED = (functional.batch_norm, functional.relu, torch.sigmoid)
# Tensors without content take no numbers, but torch takes seconds to find out.
FILLING: set[Callable[..., Any]] = {
    *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, nn.init.normal_, nn.init.uniform_),
    *(nn.init.constant_, nn.init.kaiming_uniform_, nn.init.kaiming_normal_),
}


class _Skip(TorchFunctionMode):
    """Leaves functions out: each gives its first argument, a tensor, as it is."""

    def __init__(self, functions: Collection[Callable[..., Any]]) -> None:
        super().__init__()
        self._functions = functions

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in self._functions:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class _Counting:
    """Adds up what torch's own formulas, those of its `FlopCounterMode`, say of each convolution and matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.macs += int(formula(*args, **(kwargs or {}), out_val=result)) // 2
        return result


class _Counter(_Counting, TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts in its context; `FlopCounterMode` also counts each module apart, and takes half as long again.

    The method is of a class that is no mode: a mode's own torch wraps, to keep its compiler out.
    """


@contextmanager
def _decomposed() -> Iterator[None]:
    """Computes without gradients; in inference mode a counter would meet whole calls, for which there is no formula."""
    with torch.inference_mode(False), torch.no_grad():
        yield


@contextmanager
def without_content() -> Iterator[None]:
    """Makes the networks that are built within the context of weights that have shapes alone, quickly."""
    with torch.device("meta"), _Skip(FILLING):
        yield


def count_parameters(module: nn.Module, auxiliary: bool) -> int:
    """Returns the number of weights that training changes.

    Args:
        module: the network.
        auxiliary: count those of the auxiliary head too; published counts leave them out.
    """
    named = module.named_parameters()
    return sum(weight.numel() for name, weight in named if auxiliary or not name.startswith("auxiliary."))


@_decomposed()
def count_macs(module: nn.Module, config: NetworkConfig) -> int:
    """Returns the multiply-accumulates of one image in eval mode: convolutions and matrix products.

    That is what published counts are of (NASNet's 564 M, say): normalisation is folded, pooling and sums are left out,
    and so is the auxiliary head; branches are merged as in an exported file. The formulas are torch's own, on tensors
    without content; the module is left as it was.
    """
    module = merged_network(module)
    training = [part for part in module.modules() if part.training]
    tensors: dict[str, Tensor] = {
        name: tensor.detach().to("meta") for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }
    image = torch.empty(1, *config.shape, device="meta")
    counter = _Counter()
    module.eval()
    try:
        with _Skip(UNCOUNTED), counter:
            functional_call(module, tensors, (image,))
    finally:
        for part in training:
            part.training = True
    return counter.macs


class CallCount(NamedTuple):
    """What comes of a call of a traced network: shape of one image's result, empty where it is no tensor, and MACs."""

    shape: tuple[int, ...]
    macs: int


@_decomposed()
def count_calls(network: nn.Module, traced: fx.Graph, config: NetworkConfig) -> dict[str, CallCount]:
    """Returns, by its name, the shape and the multiply-accumulates of each call; these add up to `count_macs`.

    Args:
        network: on the meta device, in eval mode.
        traced: its calls.
        config: of it, for the image.
    """
    counting = _CountingInterpreter(fx.GraphModule(network, traced))
    with _Skip(UNCOUNTED), counting.counter:
        counting.run(torch.empty(1, *config.shape, device="meta"))
    return counting.counts


class _CountingInterpreter(fx.Interpreter):
    """Runs the calls one after the other and notes what each adds to the counter."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.counter = _Counter()
        self.counts: dict[str, CallCount] = {}

    def run_node(self, n: fx.Node) -> Any:
        before = self.counter.macs
        result = super().run_node(n)
        shape = tuple(result.shape[1:]) if isinstance(result, Tensor) else ()
        self.counts[n.name] = CallCount(shape, self.counter.macs - before)
        return result
