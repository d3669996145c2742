"""What every target writes its files from: one network, one float32 graph, one calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.onnx.writer import onnx_model
from nastk.deploy.precision.calibrate import Ranges, check_images, tensor_ranges
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.networks import NetworkConfig

Calibrator = Callable[[onnx.ModelProto, NDArray[np.float32]], Ranges]
# Images that stand for the calibration where only the speed of a file counts.
STAND_INS = 8


@dataclass(frozen=True, eq=False)
class Emittable:
    """A network about to be written for one or several targets.

    Attributes:
        network: in eval mode on the CPU, from normalised images (n, C, H, W) to logits (n, classes).
        config: how it was built, without its auxiliary head.
        key: of its genotype.
        model: the same in float32 ONNX, from `image` to `logits`, batch free.
        ranges: of every tensor of `model` on the calibration images.
        calibration: (n, C, H, W) float32, normalised training images, for writers that calibrate by themselves.
        keep_float: names of the nodes of `model` that int8 files are to compute in float32.
        tuned: the same network fine-tuned for int8, where that was done; see `int8`.
    """

    network: nn.Module
    config: NetworkConfig
    key: str
    model: onnx.ModelProto
    ranges: Ranges
    calibration: NDArray[np.float32]
    keep_float: frozenset[str] = frozenset()
    tuned: Emittable | None = None

    @property
    def int8(self) -> Emittable:
        """What int8 files are written from: the network fine-tuned for int8 where there is one, else this one."""
        return self.tuned or self

    def quantized(self, scheme: Scheme = X86) -> onnx.ModelProto:
        """Returns the int8 form of `int8`, its nodes of `keep_float` in float32."""
        source = self.int8
        return quantized_model(source.model, source.ranges, scheme, source.keep_float)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: channels, height, width."""
        return self.config.shape


def emittable(
    network: nn.Module,
    config: NetworkConfig,
    key: str,
    calibration: NDArray[Any],
    calibrate: Calibrator = tensor_ranges,
) -> Emittable:
    """Writes the float32 graph and calibrates it once.

    Args:
        network: in eval mode on the CPU.
        config: how it was built.
        key: of its genotype.
        calibration: (n, C, H, W), normalised training images.
        calibrate: takes the ranges of the graph's tensors from the images.

    Raises:
        UserError: the images do not fit the network or are not finite, or the network cannot be written.
    """
    model = onnx_model(network, (1, *config.shape), {"key": key})
    images = check_images(calibration, config.shape)
    return Emittable(network, config, key, model, calibrate(model, images), images)


def untrained(network: nn.Module, config: NetworkConfig, key: str) -> Emittable:
    """Returns the same for a network that nothing is known of, with assumed ranges: files of it are as fast."""
    model = onnx_model(network, (1, *config.shape), {"key": key})
    shape = STAND_INS, *config.shape
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return Emittable(network, config, key, model, assumed_ranges(model), images)
