"""The graph that ONNX Runtime really runs, in place of the one in the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from nastk.deploy.runtimes.session import open_session


def optimised(data: bytes, signed: bool = False) -> onnx.ModelProto:
    """Returns what ONNX Runtime makes of a model on this machine's processor.

    Args:
        data: of the file, which `validate_model` has passed.
        signed: int8 activations stay what they are, as on ARM.

    Raises:
        UserError: ONNX Runtime cannot run it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        open_session(data, optimised=path, signed=signed)
        return onnx.load(path, load_external_data=False)
