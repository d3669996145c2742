"""An exported file as OpenVINO runs it, with the settings that it was scored and timed with; no torch, no onnx."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.manifest import MAX_BYTES
from nastk.deploy.onnx.wire import refuse_outside_data, refuse_programs
from nastk.deploy.runtimes.openvino_session import (
    HINT,
    PACKAGE,
    PINNING,
    PRECISION,
    STREAMS,
    THREADS,
    OpenvinoSession,
    missing_openvino,
    openvino_version,
)
from nastk.errors import UserError
from nastk.outside import read_bytes
from nastk.outside.memory import no_more_than_is_free
from nastk.processor import quick_bf16

Settings = Mapping[str, Any]
MOST = 1024  # threads, streams, images at a time
# All that nastk writes; others could make OpenVINO write files, say.
WORDS: Mapping[str, tuple[Any, ...]] = {PRECISION: ("f32", "bf16"), HINT: ("LATENCY",), PINNING: (False, True)}
COUNTS = (THREADS, STREAMS)


def openvino_settings(manifest: Mapping[str, Any], target: object, file: str) -> Settings | None:
    """Returns how OpenVINO ran a file of a target of a manifest: "batch" and "settings"; None where another ran it."""
    found: Any = manifest
    for name in ("targets", target, PACKAGE, "files", file):
        found = found.get(name) if isinstance(found, Mapping) and isinstance(name, str) else None
    return found if isinstance(found, Mapping) else None


class OpenvinoFile:
    """An open file that may be damaged or hostile.

    Args:
        path: of it.
        how: of `openvino_settings`.
        shape: of an image that it is to take: (channels, height, width).

    Attributes:
        outputs: shape of each for so many images as it was compiled for.
        runtime: what runs it.

    Raises:
        UserError: OpenVINO is not installed, settings that nastk writes to no manifest, or OpenVINO cannot run it.
    """

    def __init__(self, path: Path, how: Settings, shape: tuple[int, int, int]) -> None:
        missing = missing_openvino()
        if missing is not None:
            raise UserError(f"{path}: was scored and timed by OpenVINO, and {missing}")
        self._path = path
        batch, settings = _checked(path, how)
        model = read_bytes(path, MAX_BYTES)
        try:
            refuse_programs(model)
            refuse_outside_data(model)
            with no_more_than_is_free():  # what is constant in it is computed now
                self._session = OpenvinoSession(model, settings, (batch, *shape))
        except (UserError, MemoryError) as error:
            raise UserError(f"{path}: {error}") from None
        self.outputs = self._session.outputs
        self.runtime = f"OpenVINO {openvino_version()}"
        if settings[PRECISION] == "bf16" and not quick_bf16():
            what = "this processor has no bfloat16, answers may differ from those that were scored"
            print(f"note: {path.name}: {what}", file=sys.stderr)

    def run(self, images: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
        """Returns what it computes of normalised images (n, channels, height, width), a batch in so many seconds.

        Raises:
            UserError: OpenVINO fails on the way; the file is named.
        """
        try:
            with no_more_than_is_free():
                return self._session.predict(images, seconds)
        except (UserError, MemoryError) as error:
            raise UserError(f"{self._path.name}: {error}") from None


def _checked(path: Path, how: Settings) -> tuple[int, dict[str, Any]]:
    """Returns images at a time and OpenVINO's settings; raises UserError where a manifest has other ones."""
    settings = how.get("settings")
    if not isinstance(settings, Mapping) or settings.keys() != {*WORDS, *COUNTS}:
        raise UserError(f"{path}: settings of OpenVINO {str(settings)[:90]}, expected {', '.join([*WORDS, *COUNTS])}")
    for name, words in WORDS.items():
        if settings[name] not in words:
            raise UserError(f"{path}: {name}={str(settings[name])[:40]!r}, expected {' or '.join(map(str, words))}")
    for name, count in (("batch", how.get("batch")), *((name, settings[name]) for name in COUNTS)):
        if type(count) is not int or not 1 <= count <= MOST:
            raise UserError(f"{path}: {name}={str(count)[:40]!r}, expected a whole number from 1 to {MOST}")
    return how["batch"], dict(settings)
