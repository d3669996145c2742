"""OpenVINO as an independent reader of ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.runtimes.openvino_session import PRECISION, OpenvinoSession

# Its low-precision passes would choose kernels of their own; those of 2026.4 also refuse int8 files with a crop before
# a padded convolution.
EXACT = {PRECISION: "f32", "LP_TRANSFORMS_MODE": "NO"}


class OpenVinoReader:
    """Reads a file with OpenVINO on the CPU, which computes what it says in float32, roundings to int8 included."""

    def __init__(self, path: Path, exact: bool = True) -> None:
        """Compiles the file for the CPU.

        Args:
            path: of the file.
            exact: False leaves all settings to OpenVINO: it then chooses its own precision and int8 kernels.

        Raises:
            UserError: the file is not a valid model.
        """
        self._session = OpenvinoSession(validate_model(path).data, EXACT if exact else {})

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the logits, (n, classes), of images, (n, C, H, W)."""
        return self._session.predict(images)
