"""A microcontroller, through TensorFlow Lite for Microcontrollers: int8, an array in C, and the memory it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import onnx

from nastk.deploy.emittable import Emittable
from nastk.deploy.onnx.emitting import UnsupportedError
from nastk.deploy.precision.calibrate import Ranges
from nastk.deploy.targets.litert import WRITTEN_BY, LitertTarget
from nastk.deploy.tflite.c_array import c_array
from nastk.deploy.tflite.graph import Graph, serialise
from nastk.deploy.tflite.memory import Memory, measured, planned
from nastk.deploy.tflite.reading import read_graph
from nastk.deploy.tflite.write import tflite_graph
from nastk.files import write_text
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.objective import FLASH_KB, RAM_KB

FILES = {"fp32": "model.tflite", "int8": "model.micro.int8.tflite"}
ARRAY, HEADER, SOURCE = "model_int8", "model_int8.h", "model_int8.c"
KILOBYTE = 1000
NO_KERNEL = ("GELU",)  # in TensorFlow Lite for Microcontrollers
MOST_JOINED = 10  # maps that it concatenates, `kMaxInputNum`
NOTE = "its latency is that of LiteRT on this machine, which says nothing of a microcontroller's"


@dataclass(frozen=True)
class MicrocontrollerTarget(LitertTarget):
    """TensorFlow Lite for Microcontrollers: image and logits are int8 too, operators in the order of least memory.

    Fields and errors are those of `LitertTarget`. What a candidate costs has the memory that its activations take,
    `ram_kb`, and its file's size, `flash_kb`, both for int8 whatever `precision` is timed.
    """

    name: ClassVar[str] = "microcontroller"
    files: ClassVar[Mapping[str, str]] = FILES
    general: ClassVar[tuple[str, ...]] = ()
    times_decide: ClassVar[bool] = False

    precision: str = "int8"

    @property
    def extras(self) -> tuple[str, ...]:
        """The int8 file as an array in C."""
        return HEADER, SOURCE

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the files, and the int8 one as an array in C."""
        super().emit(source, folder)
        data = (folder / FILES["int8"]).read_bytes()
        header, body = c_array(data, ARRAY, HEADER, _numbers(read_graph(data)))
        write_text(folder / HEADER, header)
        write_text(folder / SOURCE, body)

    def direct(self, model: onnx.ModelProto, ranges: Ranges | None, keep_float: Collection[str]) -> bytes:
        """Returns the flatbuffer; in int8 with int8 at both ends and the operators in the order of least memory."""
        if ranges is None:
            return super().direct(model, ranges, keep_float)
        return serialise(_least(model, ranges, keep_float).graph, WRITTEN_BY)

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns what `LitertTarget` does, and of the int8 file `ram_kb` and `flash_kb`, in units of 1000 bytes.

        Raises:
            UserError: the network has an operator that nastk does not write for LiteRT.
        """
        self.check()
        self._check_runtime()
        source = self._untrained(genotype, config)
        data = self._written(source, "int8")
        timed = data if self.precision == "int8" else self._written(source, self.precision)
        memory = measured(read_graph(data))
        cost = self._timed(self._static(timed, genotype, config))
        return {**cost, RAM_KB: memory.arena / KILOBYTE, FLASH_KB: len(data) / KILOBYTE}

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns those of LiteRT, and of each file the memory that its activations take, in bytes."""
        memory = {}
        for file in self.files.values():
            graph = read_graph((folder / file).read_bytes())
            found = measured(graph)
            memory[file] = {
                "arena_bytes": found.arena,
                "peak_bytes": found.peak,
                "in_place_bytes": found.in_place,
                "operators": len(graph.operators),
            }
        return {**super().facts(folder), "memory": memory, "note": NOTE}


def _least(model: onnx.ModelProto, ranges: Ranges, keep_float: Collection[str]) -> Memory:
    graph = tflite_graph(model, ranges, keep_float, byte_ends=True)
    for operator in graph.operators:
        if operator.kind in NO_KERNEL:
            raise UnsupportedError(f"{operator.output.name}: its interpreter has no {operator.kind}")
        if operator.kind == "CONCATENATION" and len(operator.inputs) > MOST_JOINED:
            raise UnsupportedError(
                f"{operator.output.name}: joins {len(operator.inputs)} maps, its interpreter at most {MOST_JOINED}"
            )
    return planned(graph)


def _numbers(graph: Graph) -> dict[str, int | float]:
    """Returns what a program needs to give images to the file, and to read its logits."""
    _, height, width, channels = graph.input.shape
    taken, given = graph.input.quantization, graph.output.quantization
    assert taken is not None and given is not None  # int8 at both ends
    return {
        **{"HEIGHT": height, "WIDTH": width, "CHANNELS": channels, "CLASSES": graph.output.shape[-1]},
        **{"INPUT_SCALE": float(taken.scale[0]), "INPUT_ZERO": taken.zero},
        **{"OUTPUT_SCALE": float(given.scale[0]), "OUTPUT_ZERO": given.zero},
        "ACTIVATION_BYTES": measured(graph).arena,
    }
