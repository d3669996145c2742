"""What int8 is fine-tuned and judged for is what the target's files are."""

from __future__ import annotations

import pytest

from nastk.deploy.precision.scheme import ARM, LITERT, OPENVINO, TENSORRT, UINT8, X86, Scheme
from nastk.deploy.targets import (
    ArmTarget,
    CpuTarget,
    CudaTarget,
    ExecutorchTarget,
    LitertTarget,
    RemoteTarget,
    Target,
    TensorrtTarget,
)


@pytest.mark.parametrize(
    ("target", "scheme"),
    [
        (CpuTarget(), X86),
        (ArmTarget(), ARM),
        (TensorrtTarget(), TENSORRT),
        (CudaTarget(), UINT8),
        (ExecutorchTarget(), UINT8),
        (LitertTarget(), LITERT),
        (RemoteTarget("board"), ARM),
        (RemoteTarget("server", of="cpu"), X86),
    ],
    ids=lambda value: f"{value.name}-{getattr(value, 'of', '')}",
)
def test_the_scheme_is_that_of_the_files(target: Target, scheme: Scheme) -> None:
    assert target.scheme is scheme


def test_only_onnx_runtime_on_x86_has_stems_in_float() -> None:
    schemes = (X86, UINT8, ARM, LITERT, OPENVINO, TENSORRT)
    assert [scheme.name for scheme in schemes if scheme.float_stem] == ["x86"]
