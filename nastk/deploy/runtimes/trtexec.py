"""What trtexec is told: in the script that builds an export's engines without nastk, and on another machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.runtimes.engine_file import HARDWARE, SUFFIX, EngineSettings

BUILD_SCRIPT = "build_engine.sh"
CACHE = "tensorrt.timing"
HEAD = """#!/bin/sh
# Builds TensorRT engines of the ONNX files beside this script, for the GPU that it runs on.
#   sh build_engine.sh                              every one
#   sh build_engine.sh fp16                         one precision
#   TRTEXEC=/path/to/trtexec sh build_engine.sh     where trtexec is not found
# Needs trtexec of TensorRT 10 or 11. The types are the graph's: on 10 --stronglyTyped says so, on 11 it always holds.
set -eu
cd "$(dirname "$0")"
trtexec=${TRTEXEC:-$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)}
command -v "$trtexec" >/dev/null || { echo "$trtexec: not found; install TensorRT or set TRTEXEC" >&2; exit 1; }
wanted=${1:-all}
built=0
"""
TAIL = """
[ "$built" = 1 ] || { echo "unknown precision '$wanted'; there are: NAMES" >&2; exit 2; }
"""


def build_script(files: Sequence[tuple[str, str]], shape: tuple[int, int, int], settings: EngineSettings) -> str:
    """Returns the script.

    Args:
        files: precision and name of each ONNX file.
        shape: of one image, (C, H, W).
        settings: how the engines are built.
    """
    parts = [HEAD]
    for precision, name in files:
        line = " \\\n    ".join(['"$trtexec"', *map(shlex.quote, trtexec_arguments(name, shape, settings))])
        condition = f'if [ "$wanted" = all ] || [ "$wanted" = {shlex.quote(precision)} ]; then'
        parts.append(f"\n{condition}\n  {line}\n  built=1\nfi\n")
    names = ", ".join(precision for precision, _ in files)
    return "".join(parts) + TAIL.replace("NAMES", names)


def trtexec_arguments(name: str, shape: tuple[int, int, int], settings: EngineSettings) -> list[str]:
    """Returns what trtexec is given for one ONNX file."""
    files = [f"--onnx={name}", f"--saveEngine={name.removesuffix('.onnx')}{SUFFIX}"]
    return [*files, *engine_arguments(shape, settings), f"--timingCacheFile={CACHE}", "--skipInference"]


def engine_arguments(shape: tuple[int, int, int], settings: EngineSettings) -> list[str]:
    """Returns those of them that say how an engine is built, of whichever file."""
    profile = [
        f"--{bound}Shapes={_input(batch, shape)}"
        for bound, batch in zip(("min", "opt", "max"), settings.batches, strict=True)
    ]
    arguments = ["--stronglyTyped", "--noTF32", *profile]
    if settings.hardware != "same":
        arguments.append(f"--hardwareCompatibilityLevel={HARDWARE[settings.hardware]}")
    if settings.version_compatible:
        arguments.append("--versionCompatible")
    return arguments


def options_there(shape: tuple[int, int, int], settings: EngineSettings) -> dict[str, list[str]]:
    """Returns what trtexec is given on another machine, beside names of files, to "build" an engine and to "time" it.

    It is timed as target tensorrt does, from a batch on the GPU to its logits, as one CUDA graph. TensorRT 11 has that
    by default, and takes these options without effect.

    Args:
        shape: of one image, (C, H, W).
        settings: how the engine is built; the batch that it is tuned for is timed.
    """
    timing = [f"--shapes={_input(settings.batches[1], shape)}", "--noDataTransfers", "--useSpinWait", "--useCudaGraph"]
    return {"build": engine_arguments(shape, settings), "time": timing}


def _input(batch: int, shape: tuple[int, int, int]) -> str:
    return f"{INPUT}:{batch}x{'x'.join(map(str, shape))}"
