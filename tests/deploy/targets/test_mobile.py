"""Files for phones: they answer as the network does, in float and in int8, and say in one line what is wrong."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nastk.config.build import build, load_yaml, shipped
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.targets import ExecutorchTarget, LitertTarget, MicrocontrollerTarget
from nastk.deploy.targets.mobile import MobileTarget
from nastk.errors import UserError
from nastk.genotype.key import ZERO_OPS
from nastk.networks import NetworkConfig
from nastk.ops import OPS, build_op
from tests.deploy.networks import enliven, genotype, small
from tests.deploy.targets.test_culprit import planted

TARGETS = {"executorch": ExecutorchTarget, "litert": LitertTarget, "microcontroller": MicrocontrollerTarget}
SIZE = 12


@pytest.fixture(scope="module", params=TARGETS)
def target(request) -> MobileTarget:
    chosen = TARGETS[request.param](seconds=0.05)
    for module in chosen.writers:
        pytest.importorskip(module)
    return chosen


@pytest.fixture(scope="module")
def source() -> Emittable:
    """A network, and one as if fine-tuned for int8, whose logits are greater by 3."""
    plain = emittable(small(), NetworkConfig(classes=4, size=SIZE), "abc", _noise(32, seed=0))
    tuned = small()
    with torch.no_grad():
        tuned.head.bias += 3
    return dataclasses.replace(plain, tuned=emittable(tuned, plain.config, "abc", plain.calibration))


@pytest.fixture(scope="module")
def folder(target: MobileTarget, source: Emittable, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp(target.name)
    target.emit(source, out)
    assert sorted(path.name for path in out.iterdir()) == sorted([*target.files.values(), *target.extras])
    return out


def _noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, SIZE, SIZE), dtype=np.float32)


def test_the_float_file_computes_what_the_network_does(target, source, folder) -> None:
    images = _noise(16, seed=1)
    logits = target.runner(folder / target.files["fp32"])(images)
    with torch.no_grad():
        expected = source.network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_the_int8_file_stays_near_the_fine_tuned_network(target, source, folder) -> None:
    images = _noise(64, seed=2)
    logits = target.runner(folder / target.files["int8"])(images)
    with torch.no_grad():
        expected = source.int8.network(torch.from_numpy(images)).numpy()
    assert logits.dtype == np.float32 and logits.shape == expected.shape
    error = np.abs(logits - expected).max()
    # Eight bits leave 1/255 of the range a tensor, and a handful of tensors lie one behind the other.
    assert 0 < error < 0.1 * np.ptp(expected)
    assert (logits.argmax(1) == expected.argmax(1)).mean() > 0.9


def test_calibration_reaches_the_greatest_values(source, tmp_path) -> None:
    """One image in 32 is five times as bright: LiteRT's own average over images would cut it off."""
    target = LitertTarget()
    for module in target.writers:
        pytest.importorskip(module)
    images = _noise(32, seed=3)
    images[7] *= 5
    target.emit(emittable(source.network, source.config, "abc", images), tmp_path)
    path = tmp_path / target.files["int8"]
    with torch.no_grad():
        expected = source.network(torch.from_numpy(images)).numpy()
    assert np.abs(target.runner(path)(images) - expected)[7].max() < 0.1 * np.ptp(expected)


def test_files_are_timed_and_a_runner_outlives_a_change_of_threads(target, folder) -> None:
    run = target.runner(folder / target.files["fp32"])
    images = _noise(2, seed=5)
    before = run(images)
    paths = [folder / file for file in target.files.values()]
    for threads in (1, 3, 2):
        measured = dataclasses.replace(target, threads=threads).measure(paths, seconds=0.0)
        assert [latency.threads for latency in measured] == [threads] * 2
        assert all(latency.runs >= 200 and 0 < latency.p50_ms <= latency.p99_ms for latency in measured)
        np.testing.assert_array_equal(run(images), before)


@pytest.mark.parametrize("damage", ["short", "other", "none"])
def test_a_damaged_file_is_named_in_one_line(target, folder, tmp_path, damage: str) -> None:
    path = tmp_path / "damaged"
    data = (folder / target.files["fp32"]).read_bytes()
    if damage != "none":
        path.write_bytes(data[: len(data) // 2] if damage == "short" else b"no model" * 100)
    with pytest.raises(UserError, match=str(path)):
        target.runner(path)


def test_the_facts_say_what_does_not_run_in_int8_or_not_in_xnnpack(target, folder) -> None:
    facts = target.facts(folder)
    assert set(facts["versions"]) == set(target.writers)
    if target.name != "executorch":
        assert facts["int8"] == {"weighted": 5, "in_int8": 5}  # four convolutions and the head
    else:
        # The mean over height and width that drops both; nastk's own networks pool in a way that XNNPACK takes.
        assert facts["outside_xnnpack"] == {"model.pte": ["aten::mean"], "model.int8.pte": ["aten::mean"]}


def test_a_candidate_costs_its_own_file(target) -> None:
    config = NetworkConfig(cells=1, filters=4, size=8, channels=1)
    cost = target.cost(genotype("nasbench201", seed=0), config)
    assert {"latency_ms", "latency_steady", "params", "macs", "memory_mb", "size_mb"} <= set(cost)
    assert cost["latency_ms"] > 0
    weight = 1 if target.precision == "int8" else 4
    assert weight * cost["params"] < 1e6 * cost["size_mb"] < 20 * cost["params"] + 1e5


@pytest.mark.slow
def test_an_operation_that_the_converter_refuses_is_named_with_its_cell_and_edge(target, tmp_path) -> None:
    if target.name != "executorch":
        pytest.skip("nastk writes its files itself, and names the node")
    module, edge = planted()
    source = emittable(module, NetworkConfig(cells=1, filters=8, size=16), "abc", np.zeros((2, 3, 16, 16), np.float32))
    with pytest.raises(UserError, match=rf"fp32 file of abc: cell 2, edge {edge} \(Folding\) \(.*_linalg_det"):
        target.emit(source, tmp_path)


@pytest.mark.slow
def test_nothing_is_printed(target, tmp_path) -> None:
    """In a process of its own, where the runtimes greet with lines of their own when they are first loaded."""
    script = (
        "import sys; from pathlib import Path; import numpy as np; from nastk.deploy import targets\n"
        "from nastk.deploy.emittable import emittable; from nastk.networks import NetworkConfig\n"
        "from tests.deploy.networks import small\n"
        "target = getattr(targets, sys.argv[1])(); folder = Path(sys.argv[2])\n"
        "images = np.zeros((2, 3, 12, 12), np.float32)\n"
        "target.emit(emittable(small(), NetworkConfig(classes=4, size=12), 'abc', images), folder)\n"
        "target.runner(folder / target.files['int8'])(images)\n"
    )
    command = [sys.executable, "-c", script, type(target).__name__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("name", TARGETS)
def test_bad_settings_and_a_missing_package_are_told_in_one_line(name: str, tmp_path) -> None:
    kind = TARGETS[name]
    with pytest.raises(UserError, match=rf"target {name}: batch=4, expected 1"):
        kind(batch=4)
    with pytest.raises(UserError, match=rf"precision of target {name} 'int4'; nearest is 'int8'"):
        kind(precision="int4")
    absent = type("Absent", (kind,), {"writers": ("absent_converter",), "runtime": "absent_runtime"})()
    with pytest.raises(UserError, match=rf"absent_converter, not installed; pip install 'nastk\[{name}\]'"):
        absent.check()
    assert f"pip install 'nastk[{name}]'" in str(absent.cannot_run())
    with pytest.raises(UserError, match="absent_runtime"):
        absent.measure([tmp_path / "model"])
    assert build(load_yaml(shipped("conf") / "target" / f"{name}.yaml"), "target") == kind()


class EveryOp(nn.Module):
    """All operations of the table side by side, at a stride and then at stride 1, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        names = sorted(set(OPS) - ZERO_OPS)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.halving = nn.ModuleList(build_op(name, 8, 8, 2) for name in names)
        self.keeping = nn.ModuleList(build_op(name, 8, 8, 1) for name in names)
        self.join = nn.Conv2d(8 * len(names), 8, 1)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * len(names), 4))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        x = self.join(torch.cat([op(x) for op in self.halving], 1))
        return self.head(torch.cat([op(x) for op in self.keeping], 1))


@pytest.mark.slow
def test_every_operation_is_written_in_both_precisions(target, tmp_path) -> None:
    torch.manual_seed(0)
    network = enliven(EveryOp())
    images = _noise(32, seed=6)
    target.emit(emittable(network, NetworkConfig(classes=4, size=SIZE), "abc", images), tmp_path)
    with torch.no_grad():
        expected = network(torch.from_numpy(images)).numpy()
    for precision, allowed in (("fp32", 1e-5), ("int8", 0.2)):
        logits = target.runner(tmp_path / target.files[precision])(images)
        assert np.abs(logits - expected).max() < allowed * np.ptp(expected)
    facts = target.facts(tmp_path)
    if target.name != "executorch":
        assert facts["int8"]["in_int8"] == facts["int8"]["weighted"]
    else:
        assert facts["outside_xnnpack"] == {"model.pte": [], "model.int8.pte": []}
