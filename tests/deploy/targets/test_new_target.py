"""A target is one file and one YAML: one that nastk has never heard of is tuned for, linted and exported as its own."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import onnx
import pytest

from nastk.deploy.emittable import Emittable
from nastk.deploy.onnx.writer import onnx_model, serialise
from nastk.deploy.precision.lint import lint
from nastk.deploy.precision.lint_rules import ONNX_RUNTIME, Rule, zero_points_are_zero
from nastk.deploy.precision.quantize import assumed_ranges, quantized_model
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.runtimes.latency import Latency, measure
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets.target import Runner, Target
from nastk.errors import UserError
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from tests.commands import run
from tests.deploy.digits import trained_digits
from tests.deploy.networks import network

TOY = Scheme("toy", symmetric=True, between=True)
OPERATORS = """
    Add AveragePool Concat Conv DequantizeLinear Flatten Gemm GlobalAveragePool Identity LeakyRelu MaxPool Mul Pad
    QuantizeLinear ReduceMean Relu Slice Squeeze Sub
"""


@dataclass(frozen=True)
class ToyTarget(Target):
    """A machine with an int8 of its own and few operators."""

    name: ClassVar[str] = "toy"
    files: ClassVar[Mapping[str, str]] = {"fp32": "model.toy.onnx", "int8": "model.toy.int8.onnx"}
    scheme: ClassVar[Scheme] = TOY
    rules: ClassVar[tuple[Rule, ...]] = (zero_points_are_zero, *ONNX_RUNTIME)
    operators: ClassVar[frozenset[str] | None] = frozenset(OPERATORS.split())

    batch: int = 1

    def emit(self, source: Emittable, folder: Path) -> None:
        for model, file in zip((source.model, source.quantized(self.scheme)), self.files.values(), strict=True):
            lint(model, self)
            (folder / file).write_bytes(serialise(model))

    def runner(self, path: Path) -> Runner:
        return functools.partial(predict, open_session(path.read_bytes()))

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        return measure(paths, batch=self.batch, runs=runs, seconds=seconds)

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        raise NotImplementedError


def test_it_is_exported_and_tuned_for_in_its_own_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = trained_digits(tmp_path / "run" / "transfer" / "key")
    (tmp_path / "conf" / "target").mkdir(parents=True)
    (tmp_path / "conf" / "target" / "toy.yaml").write_text(f"_target_: {__name__}.ToyTarget\nbatch: 1\n")
    words = ("--config-dir", str(tmp_path / "conf"), "target=toy", f"allow_targets=[{__name__}]", f"model={model}")
    quick = ("data=digits", "export.seconds=0.01", "export.qat.epochs=1", "export.qat.device=cpu")
    outcome = run(capsys, "export", *words, *quick)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "run" / "export" / "key"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert list(manifest["targets"]) == ["toy"]
    assert manifest["targets"]["toy"]["precisions"]["int8"]["file"] == "model.toy.int8.onnx"
    int8 = onnx.load(folder / "model.toy.int8.onnx")
    assert {tensor.data_type for tensor in int8.graph.initializer}.isdisjoint({onnx.TensorProto.UINT8})
    tuned = json.loads((model / "qat" / "qat.json").read_text())
    assert tuned["facts"]["scheme"] == "toy"


def test_its_rules_and_operators_are_what_a_graph_is_held_to() -> None:
    module = network("nasbench201", 1)
    model = onnx_model(module, (1, 3, 16, 16))
    target = ToyTarget()
    lint(quantized_model(model, assumed_ranges(model), TOY), target)
    with pytest.raises(UserError, match=r"^int8 for target toy: .* zero point"):
        lint(quantized_model(model, assumed_ranges(model), X86), target)
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Tanh"
    with pytest.raises(UserError, match=r"^target toy: .* it has no operator Tanh"):
        lint(model, target)


def test_what_says_nothing_of_its_int8_is_no_target() -> None:
    class Unsaid(ToyTarget):
        scheme = Target.scheme  # type: ignore[assignment]

    with pytest.raises(TypeError, match="scheme"):
        Unsaid()
