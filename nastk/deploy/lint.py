"""Checks that an int8 graph keeps the rules of the target that will run it, and names the node that breaks one."""

from __future__ import annotations

import onnx


def lint(model: onnx.ModelProto, target: str) -> None:
    """Checks a quantized (or, where it holds no int8, a float) graph before it is written.

    Args:
        model: about to be written.
        target: "cpu", "arm" or "tensorrt".

    Raises:
        UserError: the first node that breaks a rule, which one, and in which cell and edge it lies.
    """
