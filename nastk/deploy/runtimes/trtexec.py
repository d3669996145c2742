"""The script that builds an export's TensorRT engines where TensorRT is, without nastk."""

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
    size = "x".join(map(str, shape))
    profile = [
        f"--{bound}Shapes={INPUT}:{batch}x{size}"
        for bound, batch in zip(("min", "opt", "max"), settings.batches, strict=True)
    ]
    arguments = [
        f"--onnx={name}",
        f"--saveEngine={name.removesuffix('.onnx')}{SUFFIX}",
        "--stronglyTyped",
        "--noTF32",
        *profile,
        f"--timingCacheFile={CACHE}",
        "--skipInference",
    ]
    if settings.hardware != "same":
        arguments.append(f"--hardwareCompatibilityLevel={HARDWARE[settings.hardware]}")
    if settings.version_compatible:
        arguments.append("--versionCompatible")
    return arguments
