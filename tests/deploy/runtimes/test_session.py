"""Sessions leave the process as they found it."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from nastk.deploy.onnx.writer import quick_model, serialise
from nastk.deploy.runtimes.session import open_session
from nastk.errors import UserError
from tests.deploy.networks import small


def test_denormal_numbers_are_kept_after_anything_was_run_in_onnx_runtime() -> None:
    code = """
        from pathlib import Path
        import tempfile
        import numpy as np
        import torch
        from torch import nn
        from nastk.deploy.runtimes.latency import measure, quick_latency
        from nastk.deploy.onnx.writer import write_onnx
        from nastk.deploy.precision.quantize import quantize_int8
        from nastk.deploy.runtimes.session import open_session, predict

        def kept():
            return bool(np.float32(1e-40) * np.float32(1) > 0 and (torch.tensor([1e-40]) * 1.0).item() > 0)

        path = Path(tempfile.mkdtemp()) / "model.onnx"
        write_onnx(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2)).eval(), path, (1, 1, 4, 4))
        images = np.ones((8, 1, 4, 4), dtype=np.float32)
        print(kept())
        session = open_session(path.read_bytes())
        print(kept())
        predict(session, images), quick_latency(session, images), measure([path], seconds=0.01)
        print(kept())
        quantize_int8(path, path.with_name("model.int8.onnx"), images)
        print(kept())
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True"] * 4


def test_an_opset_that_is_too_new_is_named() -> None:
    model = quick_model(small(), (1, 3, 12, 12))
    model.opset_import[0].version = 99
    with pytest.raises(UserError, match=r"cannot run the model \(opset 99, it supports up to \d+\)$"):
        open_session(serialise(model))
