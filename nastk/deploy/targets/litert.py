"""LiteRT, formerly TensorFlow Lite: `.tflite` files for Android and iOS, computed by XNNPACK."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.emittable import Emittable
from nastk.deploy.manifest import MAX_BYTES
from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.precision.scheme import LITERT, Scheme
from nastk.deploy.runtimes.silenced import silenced
from nastk.deploy.targets.general_litert import converted, converted_int8
from nastk.deploy.targets.mobile import MobileTarget, Opened, missing_packages
from nastk.deploy.tflite.graph import serialise
from nastk.deploy.tflite.write import tflite_graph
from nastk.errors import UserError
from nastk.outside import read_bytes
from nastk.version import __version__

FILES = {"fp32": "model.tflite", "int8": "model.int8.tflite"}
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
WRITTEN_BY = f"nastk {__version__}"
GENERAL = ("litert_torch", "ai_edge_quantizer")


@dataclass(frozen=True)
class LitertTarget(MobileTarget):
    """LiteRT's interpreter on the CPU; int8 by nastk's own ranges, as every other target's.

    Images go in as NCHW float32, as into every file of an export; inside all is int8. A network with an operator that
    nastk does not write for LiteRT goes through LiteRT's own converter and quantizer, where these are installed.
    """

    name: ClassVar[str] = "litert"
    files: ClassVar[Mapping[str, str]] = FILES
    scheme: ClassVar[Scheme] = LITERT
    writers: ClassVar[tuple[str, ...]] = ("ai_edge_litert",)
    runtime: ClassVar[str] = "ai_edge_litert"
    general: ClassVar[tuple[str, ...]] = GENERAL  # what else may write its files; () for nothing

    def convert(self, network: nn.Module, example: torch.Tensor) -> bytes:
        """Returns the float32 flatbuffer by LiteRT's own converter."""
        return converted(network, example)

    def convert_int8(self, network: nn.Module, calibration: torch.Tensor, float_file: bytes | None) -> bytes:
        """Returns the int8 flatbuffer by LiteRT's own quantizer, whose ranges come from running the float file."""
        return converted_int8(network, calibration, float_file)

    def direct(self, model: onnx.ModelProto, ranges: Ranges | None, keep_float: Collection[str]) -> bytes:
        """Returns the flatbuffer of a float32 graph, in int8 where it has ranges.

        Raises:
            UnsupportedError: an operator that nastk does not write.
        """
        return serialise(tflite_graph(model, ranges, keep_float), WRITTEN_BY)

    def _written(self, source: Emittable, precision: str, float_file: bytes | None = None) -> bytes:
        mine = source.int8 if precision == "int8" else source
        try:
            if precision == "int8":
                return self.direct(mine.model, mine.ranges, mine.keep_float)
            return self.direct(mine.model, None, ())
        except UnsupportedError as reason:
            missing = missing_packages(self.general)
            if missing or not self.general:
                more = "; LiteRT's own converter may: pip install 'nastk[litert-torch]'" if missing else ""
                raise UserError(
                    f"target {self.name}: cannot write the {precision} file of {source.key[:8]} ({reason}){more}"
                ) from None
        known = float_file if float_file is not None and WRITTEN_BY.encode() not in float_file else None
        return super()._written(source, precision, known)

    def open(self, path: Path, threads: int) -> Opened:
        """Opens an interpreter; of a file that takes bytes, images and logits are turned into and from these."""
        with silenced():
            try:
                interpreter = _interpreter(read_bytes(path, MAX_BYTES), threads)
            except (ValueError, RuntimeError):
                raise UserError(f"{path}: not a LiteRT model, damaged, or of another version") from None
        source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        shape = tuple(int(size) for size in source["shape"][1:])

        def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
            interpreter.set_tensor(source["index"], image)
            interpreter.invoke()
            logits: NDArray[np.float32] = interpreter.get_tensor(result["index"])
            return logits

        def run_bytes(image: NDArray[np.float32]) -> NDArray[np.float32]:
            (scale, zero), (step, origin) = source["quantization"], result["quantization"]
            units = np.clip(np.rint(image.transpose(0, 2, 3, 1) / scale) + zero, -128, 127)
            logits: NDArray[np.float32] = (run(units.astype(np.int8)).astype(np.float32) - origin) * np.float32(step)
            return logits

        if source["dtype"] == np.int8:
            return Opened((shape[2], *shape[:2]), run_bytes)
        return Opened(shape, run)

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns versions, what wrote the files, and how many operators with weights take and give int8."""
        data = (folder / self.files["int8"]).read_bytes()
        with silenced():
            interpreter = _interpreter(data, 1)
        weighted = [op for op in interpreter._get_ops_details() if op["op_name"] in WEIGHTED]
        in_int8 = [op for op in weighted if {*op["operand_types"][:2], *op["result_types"]} == {np.int8}]
        own = WRITTEN_BY.encode() in data
        return {
            **super().facts(folder),
            "versions": {name: version(name) for name in (*self.writers, *(() if own else GENERAL))},
            "written_by": WRITTEN_BY if own else "litert_torch",
            "int8": {"weighted": len(weighted), "in_int8": len(in_int8)},
        }


def _interpreter(flatbuffer: bytes, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter
