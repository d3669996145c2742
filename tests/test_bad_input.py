"""Damaged run folders and data, a full disk, failing candidates: one line, exit code 2, nothing overwritten."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.commands import call, run
from tests.data.files import write_image_folder

Capture = pytest.CaptureFixture[str]
Damage = Callable[[Path], object]

SEARCH = (
    *("+space=nasnet", "space.blocks=2", "trials=2", "evaluator.epochs=1", "data.subset=300"),
    *("evaluator.network.filters=4", "evaluator.threads=1", "target.seconds=0.05", "controller=random"),
)
TRANSFER = (
    *("baselines=[]", "training.epochs=1", "training.batch=128", "training.threads=1"),
    *("transfer.cells=1", "transfer.filters=4"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one tiny pipeline run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    call("pipeline", f"run={folder}", *SEARCH, *TRANSFER, "export.seconds=0.01", "bench.seconds=0.01")
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def _contents(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".held"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _step(capsys: Capture, entry: str, folder: Path) -> str:
    """Runs a step that must fail; returns its line once nothing is seen to have changed."""
    before = _contents(folder)
    extra = {"search": SEARCH, "pipeline": (*SEARCH, *TRANSFER), "transfer": TRANSFER}.get(entry, ())
    line = run(capsys, entry, f"run={folder}", *extra).line
    assert _contents(folder) == before
    return line


def _cut(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 0xFF
    path.write_bytes(bytes(data))


def _one(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("entry", "damage", "message"),
    [
        ("search", lambda run: _cut(run / "study.journal"), "finished trials where trials.jsonl has 2"),
        ("pipeline", lambda run: _cut(run / "study.journal", 0), "cut short, it has 0 finished trials where"),
        ("search", lambda run: (run / "study.journal").write_text("[1]\n"), "study.journal: line 1 is damaged"),
        ("search", lambda run: (run / "study.journal").unlink(), "missing, but trials.jsonl has 2 trials"),
        ("search", lambda run: (run / "config.yaml").write_text("a: [1"), "config.yaml: not a YAML configuration"),
        ("search", lambda run: (run / "config.yaml").write_text(""), "config.yaml: empty or cut short"),
        ("transfer", lambda run: (run / "config.yaml").write_text(""), "config.yaml: has no seed"),
        ("export", lambda run: (run / "config.yaml").write_bytes(b"\xff"), "config.yaml: not a YAML configuration"),
        ("transfer", lambda run: (run / "pareto.json").write_text("{"), "pareto.json: not JSON"),
        ("transfer", lambda run: (run / "pareto.json").write_text("[]"), "pareto.json: damaged"),
        ("transfer", lambda run: (run / "pareto.json").unlink(), "pareto.json: missing"),
        (
            "transfer",
            lambda run: _change(run / "pareto.json", '"skeleton"', '"skeletn"'),
            "pareto.json: genotype: no 'skeleton'",
        ),
        ("transfer", lambda run: _change(run / "pareto.json", '"key": "', '"key": "../../'), "the file was changed"),
        ("report", lambda run: (run / "best.json").write_text("{"), "best.json: not JSON"),
        ("report", lambda run: _cut(run / "trials.jsonl", 0.9), "trials.jsonl:2: not JSON"),
        ("transfer", lambda run: _one(run, "transfer/*/metrics.json").write_text("{}"), "metrics.json: accuracy"),
        ("transfer", lambda run: _one(run, "transfer/*/training.json").write_text("["), "training.json: not JSON"),
        ("export", lambda run: _cut(_one(run, "transfer/*/model.safetensors")), "the file was changed or is cut short"),
        (
            "export",
            lambda run: _flip(_one(run, "transfer/*/model.safetensors")),
            "its SHA-256 is not the one in network",
        ),
        ("export", lambda run: _one(run, "transfer/*/network.json").write_text("{}"), "network.json: expected an"),
        (
            "export",
            lambda run: _change(_one(run, "transfer/*/network.json"), '"filters": 4', '"filters": 8'),
            "by genotype.json and network.json",
        ),
        ("export", lambda run: shutil.rmtree(run / "transfer"), "has no trained network"),
        ("bench", lambda run: _flip(_one(run, "export/*/model.onnx")), "its SHA-256 is not the manifest's"),
        ("bench", lambda run: _cut(_one(run, "export/*/model.int8.onnx")), "the file was changed or cut short"),
        ("bench", lambda run: _one(run, "export/*/model.onnx").unlink(), "missing or not a plain file"),
        (
            "bench",
            lambda run: _change(_one(run, "export/*/manifest.json"), '"model.onnx"', '"../model.onnx"'),
            "expected the name of a file beside the manifest",
        ),
        ("bench", lambda run: shutil.rmtree(run / "export"), "has no export"),
        ("report", lambda run: (run / "bench.json").write_text("[]"), "bench.json: [], expected an object"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line_and_left_as_it_is(
    capsys: Capture, copy: Path, entry: str, damage: Damage, message: str
) -> None:
    damage(copy)
    assert message in _step(capsys, entry, copy)


@pytest.mark.parametrize(
    ("entry", "arguments", "message"),
    [
        ("search", (*SEARCH, "space.blocks=3"), "holds a run with space.blocks=2, this command has 3"),
        ("search", (*SEARCH, "seed=1"), "holds a run with seed=0, this command has 1"),
        ("transfer", (*TRANSFER, "transfer.filters=6"), "network.filters is 4 there and 6 here"),
        ("transfer", (*TRANSFER, "training.epochs=2"), "epochs is 1 there and 2 here"),
        ("transfer", (*TRANSFER, "transfer.init=resnet18.pth"), "resnet18.pth: a pickled file, which can run code"),
        ("transfer", (*TRANSFER, "transfer.init=none.safetensors"), "none.safetensors: no such file"),
        ("transfer", (*TRANSFER, "transfer.init={resnet19: a}"), "unknown network in transfer.init 'resnet19'"),
        ("transfer", (*TRANSFER, "transfer.init=[a]"), "transfer.init=('a',): tuple, expected"),
        ("export", ("data=npz",), "no root given"),
        ("bench", ("bench.batch=1",), "bench.batch=1: int, expected a list [...] of int"),
        ("bench", ("bench.threads=[100000]",), "threads=100000"),
    ],
)
def test_other_settings_than_the_runs_are_refused(
    capsys: Capture, copy: Path, entry: str, arguments: tuple[str, ...], message: str
) -> None:
    before = _contents(copy)
    assert message in run(capsys, entry, f"run={copy}", *arguments).line
    assert _contents(copy) == before


@pytest.mark.parametrize(
    "argument",
    [
        *(
            "transfer.cells=-1",
            "transfer.cells=two",
            "transfer.init=a.pth",
            "training.epochs=0",
            "training.device=abacus",
        ),
        *("export.calibration=0", "export.max_accuracy_drop=2", "bench.runs=3", "bench.batch=[0]", "bench.seconds=nan"),
    ],
)
def test_a_pipeline_finds_a_mistake_in_a_later_step_before_it_searches(
    capsys: Capture, tmp_path: Path, argument: str
) -> None:
    line = run(capsys, "pipeline", f"runs={tmp_path}", *SEARCH, argument).line
    assert argument.partition("=")[0].partition(".")[2] in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_may_be_called_by_a_number_or_with_spaces_and_umlauts(capsys: Capture, copy: Path) -> None:
    for name in ("7", "my run (1) zoë=1"):
        shutil.copytree(copy, copy.parent / name)
        assert run(capsys, "report", f"runs={copy.parent}", f"run={name}").code == 0


def test_a_renamed_run_goes_on_and_repeats_nothing(capsys: Capture, copy: Path) -> None:
    before = (copy / "trials.jsonl").read_bytes()
    outcome = run(capsys, "search", f"run={copy}", *SEARCH)
    assert outcome.code == 0, outcome.err
    assert "going on after 2 trials" in outcome.err
    assert (copy / "trials.jsonl").read_bytes() == before


def test_a_group_that_is_null_and_a_setting_that_optuna_refuses_are_one_line(capsys: Capture, tmp_path: Path) -> None:
    at = f"runs={tmp_path}"
    assert "expected the name of an option" in run(capsys, "search", at, *SEARCH, "controller=null").line
    refused = run(capsys, "search", at, *SEARCH, "pruner=median", "pruner.n_startup_trials=-3").line
    assert "MedianPruner refuses its settings" in refused
    wrong = run(capsys, "search", at, *SEARCH, "pruner=hyperband", "pruner.reduction_factor=0").line
    assert "reduction_factor=0: expected at least 2" in wrong
    assert list(tmp_path.iterdir()) == []


def test_candidates_that_no_memory_holds_are_refused_before_the_run_is_made(capsys: Capture, tmp_path: Path) -> None:
    line = run(capsys, "search", f"run={tmp_path / 'run'}", *SEARCH, "evaluator.network.filters=100000").line
    assert "images of 8x8 pixels takes about" in line and "GB are free; give evaluator.batch=" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("evaluator.learning_rate=1e30", "evaluator.clip=0"), "diverged"),
        (("evaluator.max_seconds=0.001",), "took longer than max_seconds=0.001"),
    ],
)
def test_a_candidate_that_fails_is_a_failed_trial_and_the_search_goes_on(
    capsys: Capture, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    folder = tmp_path / "run"
    line = run(capsys, "search", f"run={folder}", *SEARCH, "max_failures=2", *arguments).line
    assert "no candidate was trained; 2 candidates failed, none trained between" in line
    rows = [json.loads(row) for row in (folder / "trials.jsonl").read_text().splitlines()]
    assert [row["state"] for row in rows] == ["failed", "failed"]
    assert all(reason in row["reason"] for row in rows)


def test_a_pruner_that_stops_every_candidate_is_named(capsys: Capture, tmp_path: Path) -> None:
    pruner = ("pruner._target_=optuna.pruners.ThresholdPruner", "++pruner.lower=1.5")
    line = run(capsys, "search", f"run={tmp_path / 'run'}", *SEARCH, *pruner, "trials=2", "evaluator.epochs=2").line
    assert "no candidate was trained to the end; the pruner stopped all 2" in line


def _images(folder: Path, **changed: np.ndarray) -> Path:
    x, y = np.zeros((30, 8, 8), np.uint8), np.arange(30) % 3
    path = folder / "images.npz"
    np.savez(path, **{"x_train": x, "y_train": y, "x_test": x, "y_test": y, **changed})
    return path


@pytest.mark.parametrize(
    ("source", "damage", "message"),
    [
        ("npz", lambda at: _cut(_images(at)), "not an .npz file, or cut short"),
        ("npz", lambda at: _images(at, y_train=np.arange(30) % 3 - 1), "label -1"),
        ("npz", lambda at: _images(at, x_train=np.zeros((30, 8, 9), np.uint8)), "8x9 pixels, expected square"),
        ("fashion_mnist", lambda at: None, "the folder is empty"),
        ("cifar10", lambda at: None, "the folder is empty"),
        ("cifar10", lambda at: [(at / f"data_batch_{i}.bin").write_bytes(b"0" * 9) for i in range(1, 6)], "9 bytes"),
        ("fashion_mnist", lambda at: _idx(at, magic=0x801), "begins with 00000801"),
        ("fashion_mnist", lambda at: _idx(at, short=3), "the file is cut short"),
        ("fashion_mnist", lambda at: _idx(at, classes=11), "label 10, expected 0 to 9"),
        ("image_folder", lambda at: None, "the folder is empty"),
        ("image_folder", lambda at: _cut(_folder(at) / "train/cat/003.png"), "cat/003.png: image file is truncated"),
        ("image_folder", lambda at: (_folder(at) / "train/cat/003.png").write_bytes(b""), "003.png: no image of JPEG"),
        ("image_folder", lambda at: _one_class(_folder(at)), "one class folder only, 'dog', expected at least 2"),
        ("image_folder", lambda at: _no_image(_folder(at)), "train/cat: no image in it"),
    ],
)
def test_corrupt_data_are_refused_before_a_run_folder_is_made(
    capsys: Capture, tmp_path: Path, source: str, damage: Damage, message: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    damage(data)
    root = data / "images.npz" if source == "npz" else data
    images = (f"data={source}", f"data.root={root}", "data.subset=1.0")
    line = run(capsys, "search", f"runs={tmp_path / 'runs'}", *SEARCH, *images).line
    assert message in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data.subset=2000",), "subset=2000, expected 1 to 1150: that many"),
        (("data.subset=5",), "subset: 5 images, expected at least one of each of the 10 classes"),
        (("data.subset=1.5",), "subset=1.5, expected a number of images, or a share above 0 and up to 1.0"),
        (("data.subset=all",), "data.subset='all': str, expected int | float"),
        (("data.validation=1437",), "validation=1437: leaves a class without a training image"),
        (("data.validation=1.0",), "validation=1.0, expected a number of images, or a share above 0 and below 1.0"),
        (("evaluator.batch=301",), "batch=301, expected at most 300: that many images a candidate is trained on"),
        (("data.resize=5000",), "resize=5000, expected 1 to 1024 pixels a side"),
        (("data.memory_gb=-1",), "memory_gb=-1, expected a number of gigabytes above 0"),
        (("data.workers=0",), "workers=0, expected 1 to 256 processes"),
        (("data=image_folders",), "unknown data 'image_folders'; nearest is 'image_folder'"),
    ],
)
def test_settings_of_the_data_that_cannot_be_are_refused_before_a_run_folder_is_made(
    capsys: Capture, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in run(capsys, "search", f"runs={tmp_path / 'runs'}", *SEARCH, *arguments).line
    assert not (tmp_path / "runs").exists()


def _folder(at: Path) -> Path:
    return write_image_folder(at)


def _one_class(root: Path) -> None:
    for name in ("bird", "cat"):
        shutil.rmtree(root / "train" / name)


def _no_image(root: Path) -> None:
    for path in (root / "train" / "cat").iterdir():
        path.rename(path.with_suffix(".tar"))


def _idx(folder: Path, magic: int = 0x803, short: int = 0, classes: int = 10) -> None:
    def word(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(4, "big") for number in numbers)

    images = word(magic, 22, 28, 28) + bytes(22 * 28 * 28 - short)
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "train-labels-idx1-ubyte").write_bytes(word(0x801, 22) + bytes(i % classes for i in range(22)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system of the given size; only root may."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a tmpfs is not permitted here")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


@pytest.mark.parametrize(
    ("kilobytes", "step"),  # tests/faults/test_full_disk.py fills it up in each step
    [pytest.param(12, "search", marks=pytest.mark.slow), (60, "transfer")],
)
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_once_there_is_room(
    capsys: Capture, small_disk: Callable[[str], Path], kilobytes: int, step: str
) -> None:
    folder = small_disk(f"size={kilobytes}k") / "run"
    outcome = run(capsys, "pipeline", f"run={folder}", *SEARCH, *TRANSFER)
    assert "No space left on device" in outcome.line
    assert ("2/5 transfer" in outcome.err) == (step == "transfer")
    subprocess.run(["mount", "-o", "remount,size=20m", str(folder.parent)], check=True)
    assert run(capsys, "pipeline", f"run={folder}", *SEARCH, *TRANSFER, "bench.seconds=0.1").code == 0


def test_a_folder_that_cannot_be_written_is_one_line(
    capsys: Capture, whole: Path, small_disk: Callable[[str], Path]
) -> None:
    place = small_disk("size=20m")
    folder = Path(shutil.copytree(whole, place / "run"))
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    for entry in ("search", "transfer", "export", "report", "pipeline"):
        assert "cannot be written (Read-only file system)" in _step(capsys, entry, folder)
    assert "cannot be written (Read-only" in run(capsys, "search", f"run={place / 'new'}", *SEARCH).line
