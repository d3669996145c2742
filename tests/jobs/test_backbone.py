"""`python -m nastk.backbone`: a head over a network's maps from a command line, and what is wrong told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from nastk.errors import UserError
from nastk.jobs.backbone import trained_folder
from nastk.networks import build_network
from nastk.networks.stored import save_trained
from tests.commands import run
from tests.dense.small import arrays, tiny_backbone, write_set

FEW = ("training.epochs=2", "training.threads=1", "training.learning_rate=0.01")


def write_trained(folder: Path) -> Path:
    """Writes the tiny backbone's network as a transfer does, with random weights."""
    backbone = tiny_backbone()
    facts = {
        "normalisation": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
        "classes": ["one", "other"],
        "data": {"name": "npz"},
    }
    folder.mkdir(parents=True)
    save_trained(folder, build_network(backbone.genotype, backbone.config), backbone.config, backbone.genotype, facts)
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return write_trained(tmp_path / "mine" / "transfer" / "key")


def test_a_trained_network_becomes_a_segmenting_one(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("task=segmentation", f"data={write_set(tmp_path / 'a set.npz')}", f"run={trained}", f"runs={tmp_path}")
    outcome = run(capsys, "backbone", *words, *FEW)
    assert outcome.code == 0, outcome.err
    (out,) = tmp_path.glob("segmentation-a set-*")
    assert outcome.out.strip() == f"Trained network: {out}"
    metrics, facts = (json.loads((out / name).read_text()) for name in ("metrics.json", "model.json"))
    assert f"test miou {metrics['miou']:.4f} on 16 images" in outcome.err
    assert (metrics["weights"], metrics["task"]) == ("trained", "segmentation")
    assert facts["classes"] == ["paper", "zero", "one"]
    assert facts["preprocessing"]["mean"] == [0.1, 0.2, 0.3]
    assert [(one["stride"], one["channels"]) for one in facts["maps"]] == [(4, 12), (8, 16), (16, 24)]
    assert [one.name for one in onnx.load(out / "model.onnx").graph.output] == ["mask_logits"]
    again = run(capsys, "backbone", *words, *FEW)
    assert "(trained before)" in again.err
    assert json.loads((out / "metrics.json").read_text()) == metrics


def cut_short(path: Path) -> None:
    data = write_set(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def strange_class(path: Path) -> None:
    masks = np.array(arrays()["val_masks"])
    masks[3, 4, 5] = 7
    write_set(path, val_masks=masks)


def detection(path: Path) -> None:
    boxes = {f"{split}_boxes": np.zeros((1, 4), np.float32) for split in ("train", "val", "test")}
    write_set(path, train_masks=None, val_masks=None, test_masks=None, **boxes)


def small_images(path: Path) -> None:
    found = arrays()
    changed = {name: value[:, :12, :12] for name, value in found.items() if name != "classes"}
    write_set(path, **changed)


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (cut_short, "not an .npz file, or cut short"),
        (strange_class, "val_masks: 7 at row 4, column 5 of image 3, expected a class from 0 to 2"),
        (detection, "no array train_masks in it, which a set for segmentation has"),
        (small_images, "features: images of 12x12 pixels, expected at least 16 a side"),
    ],
)
def test_a_set_that_is_not_what_it_should_be_is_said_before_anything_is_made(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], None], line: str
) -> None:
    write(tmp_path / "set.npz")
    outcome = run(capsys, "backbone", f"data={tmp_path / 'set.npz'}", f"run={trained}", f"out={tmp_path / 'out'}", *FEW)
    assert line in outcome.line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("task=segment",), "unknown task 'segment'; nearest is 'segmentation'"),
        ((), "data: not given, expected data=<an .npz file"),
        (("network=resnet18",), "run, network: both are given, expected run=<name of a run> or network="),
        (("run=null", "network=default"), "network=default: has no genotype, expected a known network"),
        (("training.epochs=0",), "epochs=0, expected a whole number from 1"),
        (("training.batch=49",), "batch=49, expected at most 48: that many training images there are"),
        (("training.crop=0.1",), "unknown setting 'training.crop'"),
    ],
)
def test_a_wrong_setting_is_one_line(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    data = [] if line.startswith("data:") else [f"data={write_set(tmp_path / 'set.npz')}"]
    outcome = run(capsys, "backbone", f"run={trained}", f"out={tmp_path / 'out'}", *data, *words)
    assert line in outcome.line
    assert not (tmp_path / "out").exists()


def test_a_damaged_network_is_named(tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (trained / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes()[:500])
    outcome = run(capsys, "backbone", f"run={trained}", f"data={write_set(tmp_path / 'set.npz')}")
    assert "model.safetensors: its SHA-256 is not the one in network.json" in outcome.line


def test_a_run_means_its_best_network(tmp_path: Path, trained: Path) -> None:
    run_folder = tmp_path / "mine"
    with pytest.raises(UserError, match="is not the folder of a run"):
        trained_folder("mine", str(tmp_path))
    (run_folder / "config.yaml").write_text("seed: 0\n")
    assert trained_folder("mine", str(tmp_path)) == trained
    torch.manual_seed(1)
    write_trained(run_folder / "transfer" / "other")
    with pytest.raises(UserError, match="has 2 trained networks, choose one: run="):
        trained_folder("mine", str(tmp_path))
    (run_folder / "empty").mkdir()
    (run_folder / "empty" / "config.yaml").write_text("seed: 0\n")
    with pytest.raises(UserError, match="has no trained network; python -m nastk.transfer run="):
        trained_folder(str(run_folder / "empty"), str(tmp_path))
