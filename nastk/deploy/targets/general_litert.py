"""LiteRT's own converter and quantizer, for networks with operators that nastk does not write for it."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import nn

from nastk.deploy.runtimes.silenced import silenced


def converted(network: nn.Module, example: torch.Tensor) -> bytes:
    """Returns the float32 flatbuffer of a network for images like `example`, (1, C, H, W)."""
    with silenced():
        import litert_torch

        network = _with_padded_averages(network, example)
        return bytes(litert_torch.convert(network, (example,)).model_content())


def converted_int8(network: nn.Module, calibration: torch.Tensor, float_file: bytes | None) -> bytes:
    """Returns the int8 flatbuffer: weights symmetric a channel, activations asymmetric, float32 at both ends.

    Args:
        network: in eval mode.
        calibration: images (n, C, H, W), on which the float file is run for the ranges of its tensors.
        float_file: of the same network, from `converted`; None to convert it now.
    """
    flatbuffer = float_file or converted(network, calibration[:1])
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
        signature, name = _signature(flatbuffer)
        images = calibration.numpy()[:, None]
        observer.calibrate({signature: [{name: image} for image in images]}, wanted)
        return bytes(source.quantize(observer.get_model_qsvs()).quantized_model)


def _signature(flatbuffer: bytes) -> tuple[str, str]:
    """Returns the names of a converted file's only signature and of its only input."""
    from ai_edge_litert.interpreter import Interpreter

    (name, signature), *_ = Interpreter(model_content=flatbuffer).get_signature_list().items()
    return name, signature["inputs"][0]


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
