"""LiteRT, formerly TensorFlow Lite: `.tflite` files for Android, iOS and microcontrollers, computed by XNNPACK."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.manifest import MAX_BYTES
from nastk.deploy.runtimes.silenced import silenced
from nastk.deploy.targets.mobile import MobileTarget, Opened
from nastk.errors import UserError
from nastk.outside import read_bytes

FILES = {"fp32": "model.tflite", "int8": "model.int8.tflite"}
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class LitertTarget(MobileTarget):
    """LiteRT's interpreter on the CPU; int8 by the AI Edge quantizer, whose ranges come from running the float file.

    Images go in as NCHW float32, as into every file of an export; inside all is int8.
    """

    name: ClassVar[str] = "litert"
    files: ClassVar[Mapping[str, str]] = FILES
    quantizer: ClassVar[str | None] = "ai_edge_quantizer"
    writers: ClassVar[tuple[str, ...]] = ("litert_torch", "ai_edge_litert", "ai_edge_quantizer")
    runtime: ClassVar[str] = "ai_edge_litert"

    def convert(self, network: nn.Module, example: torch.Tensor) -> bytes:
        """Returns the float32 flatbuffer."""
        with silenced():
            import litert_torch

            network = _with_padded_averages(network, example)
            return bytes(litert_torch.convert(network, (example,)).model_content())

    def convert_int8(self, network: nn.Module, calibration: torch.Tensor, float_file: bytes | None) -> bytes:
        """Returns the int8 flatbuffer: weights symmetric a channel, activations asymmetric, float32 at both ends."""
        flatbuffer = float_file or self.convert(network, calibration[:1])
        with silenced():
            from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
            from ai_edge_quantizer.utils import qsv_utils

            source = quantizer.Quantizer(flatbuffer, recipe.static_wi8_ai8())
            for end in ("INPUT", "OUTPUT"):
                source.update_quantization_recipe(".*", end, algorithm_key="no_quantize")
            wanted = recipe_manager.RecipeManager()
            wanted.load_quantization_recipe(source.get_quantization_recipe())
            # Quantizer.calibrate takes a moving average of each image's bounds, and so cuts off the greatest values.
            observer = calibrator.Calibrator(flatbuffer, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
            signature, name = _signature(_interpreter(flatbuffer, 1))
            images = calibration.numpy()[:, None]
            observer.calibrate({signature: [{name: image} for image in images]}, wanted)
            return bytes(source.quantize(observer.get_model_qsvs()).quantized_model)

    def open(self, path: Path, threads: int) -> Opened:
        """Opens an interpreter."""
        with silenced():
            try:
                interpreter = _interpreter(read_bytes(path, MAX_BYTES), threads)
            except (ValueError, RuntimeError):
                raise UserError(f"{path}: not a LiteRT model, damaged, or of another version") from None
        source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

        def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
            interpreter.set_tensor(source["index"], image)
            interpreter.invoke()
            logits: NDArray[np.float32] = interpreter.get_tensor(result["index"])
            return logits

        return Opened(tuple(int(size) for size in source["shape"][1:]), run)

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns versions, and how many of the int8 file's operators with weights take and give int8."""
        with silenced():
            interpreter = _interpreter((folder / FILES["int8"]).read_bytes(), 1)
        weighted = [op for op in interpreter._get_ops_details() if op["op_name"] in WEIGHTED]
        in_int8 = [op for op in weighted if {*op["operand_types"][:2], *op["result_types"]} == {np.int8}]
        return {
            **super().facts(folder),
            "versions": {name: version(name) for name in self.writers},
            "int8": {"weighted": len(weighted), "in_int8": len(in_int8)},
        }


class _PaddedAverage(nn.Module):
    """Average pooling over zeros, put right where some of them are padding that must not count.

    The converter writes strided average pooling that does not count its padding as a reduction of StableHLO, which the
    quantizer cannot calibrate and XNNPACK does not run. This it writes as padding, pooling and a product.
    """

    weights: torch.Tensor

    def __init__(self, pool: nn.AvgPool2d, size: tuple[int, int]) -> None:
        super().__init__()
        pad_y, pad_x = pool.padding if isinstance(pool.padding, tuple) else (pool.padding, pool.padding)
        self.sides = (pad_x, pad_x, pad_y, pad_y)
        self.kernel, self.stride = pool.kernel_size, pool.stride
        self.register_buffer("weights", 1 / self._average(torch.ones((1, 1, *size))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns what the pooling does."""
        return self._average(images) * self.weights

    def _average(self, images: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(F.pad(images, self.sides), self.kernel, self.stride)


def _with_padded_averages(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """Returns a copy whose strided average poolings are `_PaddedAverage`, each for the size of image that it gets."""
    network = copy.deepcopy(network)
    sizes: dict[str, tuple[int, int]] = {}
    hooks = [
        module.register_forward_pre_hook(
            lambda _, args, name=name: sizes.update({name: (args[0].shape[2], args[0].shape[3])})
        )
        for name, module in network.named_modules()
        if isinstance(module, nn.AvgPool2d)
        if module.stride not in (1, (1, 1)) and module.padding not in (0, (0, 0)) and not module.count_include_pad
    ]
    network(example)
    for hook in hooks:
        hook.remove()
    for name, size in sizes.items():
        pool = network.get_submodule(name)
        assert isinstance(pool, nn.AvgPool2d)
        network.set_submodule(name, _PaddedAverage(pool, size))
    return network


def _interpreter(flatbuffer: bytes, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def _signature(interpreter: Any) -> tuple[str, str]:
    """Returns the names of a converted file's only signature and of its only input."""
    (name, signature), *_ = interpreter.get_signature_list().items()
    return name, signature["inputs"][0]
