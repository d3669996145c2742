"""A table or predictor that was made by another runtime, or on a processor with other features, is said to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nastk.deploy.cost.provenance import Provenance, changed_since

HERE = {"processor": "AMD EPYC", "features": "avx2 avx512_vnni"}
NOW = {"onnxruntime": "1.31.1"}
MADE = Provenance("table", Path("t.json"), HERE, {**NOW, "numpy": "1.26"}, "2026-05-01")


def test_what_is_as_it_was_or_says_nothing_of_itself_needs_no_words() -> None:
    assert changed_since(MADE, HERE, {**NOW, "numpy": "2.4"}) is None
    assert changed_since(Provenance("learned", Path("p.json"), {"name": "Pixel 3"}), HERE, NOW) is None
    assert changed_since(replace(MADE, device={"processor": "AMD EPYC"}), HERE, NOW) is None, "features not told"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            replace(MADE, versions={"onnxruntime": "1.24.0\nand more"}),
            "warning: latency=table: t.json is of 2026-05-01; made with ONNX Runtime 1.24.0 and more, here is 1.31.1: ",
        ),
        (
            replace(MADE, device={**HERE, "features": "avx2 avx512_bf16"}),
            "warning: latency=table: t.json is of 2026-05-01; the processor is now without avx512_bf16 and with "
            "avx512_vnni: ",
        ),
        (
            replace(MADE, device={"processor": "Cortex-A72", "features": "asimd"}, date=""),
            "note: latency=table: t.json is of an unknown date on Cortex-A72, here is AMD EPYC: latencies are those",
        ),
        (
            replace(MADE, kind="learned", device={"processor": "Cortex-A72"}, versions={"onnxruntime": "1.24.0"}),
            "warning: latency=learned: t.json is of 2026-05-01 on Cortex-A72, here is AMD EPYC; made with ONNX Runtime",
        ),
    ],
)
def test_another_runtime_or_processor_is_one_line(made: Provenance, said: str) -> None:
    line = changed_since(made, HERE, NOW)
    assert line is not None and line.startswith(said) and "\n" not in line


def test_int8_files_with_another_stem_are_one_line() -> None:
    line = changed_since(replace(MADE, float_stem=0), HERE, NOW, 128)
    said = "warning: latency=table: t.json is of 2026-05-01; made with int8 files that compute their stem otherwise: "
    assert line is not None and line.startswith(said) and "\n" not in line
    for then, now in ((128, 128), (0, 0), (None, 128), (0, None)):
        assert changed_since(replace(MADE, float_stem=then), HERE, NOW, now) is None


def test_a_file_that_another_runtime_made_is_one_line() -> None:
    line = changed_since(MADE, HERE, {"openvino": "2026.4"}, runtime="openvino")
    said = "warning: latency=table: t.json is of 2026-05-01; made with ONNX Runtime 1.31.1, the target's files run by "
    assert line is not None and line.startswith(f"{said}OpenVINO: ") and "\n" not in line
    assert changed_since(MADE, HERE, NOW, runtime="onnxruntime") is None
    assert changed_since(replace(MADE, versions={}), HERE, NOW, runtime="openvino") is None, "not told"
