"""ExecuTorch: `.pte` files for Android and iOS, computed by XNNPACK."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.manifest import MAX_BYTES
from nastk.deploy.runtimes.silenced import silenced
from nastk.deploy.targets.mobile import MobileTarget, Opened
from nastk.errors import UserError
from nastk.outside import read_bytes

FILES = {"fp32": "model.pte", "int8": "model.int8.pte"}


@dataclass(frozen=True)
class ExecutorchTarget(MobileTarget):
    """ExecuTorch with the XNNPACK backend; int8 by torchao's export quantization, symmetric weights a channel."""

    name: ClassVar[str] = "executorch"
    files: ClassVar[Mapping[str, str]] = FILES
    quantizer: ClassVar[str | None] = "torchao"
    writers: ClassVar[tuple[str, ...]] = ("executorch", "torchao")
    runtime: ClassVar[str] = "executorch"

    def convert(self, network: nn.Module, example: torch.Tensor) -> bytes:
        """Returns the float32 program."""
        with silenced():
            return _lowered(network, example)

    def convert_int8(self, network: nn.Module, calibration: torch.Tensor, float_file: bytes | None) -> bytes:
        """Returns the int8 program: weights symmetric a channel, activations asymmetric, both of 8 bits."""
        with silenced():
            from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
                XNNPACKQuantizer,
                get_symmetric_quantization_config,
            )
            from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

            quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
            example = calibration[:1]
            observed = prepare_pt2e(torch.export.export(network, (example,)).module(), quantizer)
            with torch.no_grad():
                for image in calibration[:, None]:
                    observed(image)
            return _lowered(convert_pt2e(observed), example)

    def open(self, path: Path, threads: int) -> Opened:
        """Loads a program; its pool of threads is the process's one, so that the last to open decides on all."""
        program = _Program(path, threads)
        return Opened(program.shape, program)

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns versions, and by file which operators XNNPACK leaves to ExecuTorch's own slow kernels."""
        return {
            **super().facts(folder),
            "versions": {name: version(name) for name in self.writers},
            "outside_xnnpack": {name: _portable_operators(folder / name) for name in FILES.values()},
        }


def _lowered(network: nn.Module, example: torch.Tensor) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = torch.export.export(network, (example,))
    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    return bytes(edge.to_executorch().buffer)


def _portable_operators(path: Path) -> list[str]:
    with silenced():
        from executorch.exir._serialize._program import deserialize_pte_binary

        program = deserialize_pte_binary(read_bytes(path, MAX_BYTES)).program
    return sorted({operator.name for plan in program.execution_plan for operator in plan.operators})


class _Program:
    """A loaded program, loaded again where the pool of threads was replaced under it."""

    _open: ClassVar[weakref.WeakSet[_Program]] = weakref.WeakSet()

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._data = read_bytes(path, MAX_BYTES)
        with silenced():
            _use_threads(threads, self._open)
        self._program: Any = None
        self._method: Any = None
        self._open.add(self)
        self.shape = tuple(self._loaded().metadata.input_tensor_meta(0).sizes())[1:]

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        method = self._method or self._loaded()
        logits: NDArray[np.float32] = method.execute([torch.from_numpy(image)])[0].numpy()
        return logits

    def unload(self) -> None:
        """Lets go of what holds the pool of threads."""
        self._program = self._method = None

    def _loaded(self) -> Any:
        with silenced():
            from executorch.runtime import Runtime, Verification

            try:
                self._program = Runtime.get().load_program(self._data, verification=Verification.InternalConsistency)
                self._method = self._program.load_method("forward")
            except (RuntimeError, KeyError):
                raise UserError(f"{self._path}: not an ExecuTorch program, damaged, or of another version") from None
        return self._method


def _use_threads(count: int, programs: weakref.WeakSet[_Program]) -> None:
    """Sets the size of the pool; XNNPACK keeps a pointer to it, so no program may be loaded meanwhile."""
    from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count, _unsafe_reset_threadpool

    if _threadpool_get_thread_count() != count:
        for program in programs:
            program.unload()
        _unsafe_reset_threadpool(count)
