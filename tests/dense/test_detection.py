"""Detection as a whole: it learns, and its file says how to read it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from nastk.dense.detection import BOXES, Detection
from nastk.dense.job import DenseJob
from nastk.dense.model_export import MANIFEST, ONNX, export_dense
from nastk.dense.sets import read_set
from nastk.dense.settings import DenseSettings
from nastk.dense.ssd.detections import detections
from nastk.dense.train import train_dense, trained_network
from tests.commands import run
from tests.dense.small import SIDE, tiny_backbone

COUNTS = {"train": 480, "val": 32, "test": 32}


def digits() -> dict[str, NDArray[Any]]:
    """Returns a set of zeros and ones, twice as large as sklearn has them, each somewhere on a page of its own."""
    rng = np.random.default_rng(0)
    source = load_digits()
    drawn = [(ink, label) for ink, label in zip(source.images, source.target, strict=True) if label < 2]
    parts = {"train": drawn[:240], "val": drawn[240:300], "test": drawn[300:]}
    found: dict[str, NDArray[Any]] = {"classes": np.array(["zero", "one"])}
    for name, count in COUNTS.items():
        images, boxes, labels = np.zeros((count, SIDE, SIDE, 3), np.uint8), [], []
        for image in images:
            ink, label = parts[name][rng.integers(len(parts[name]))]
            ink = np.kron(ink, np.ones((2, 2)))
            x, y = rng.integers(0, SIDE - 16, 2)
            image[y : y + 16, x : x + 16] = (ink * 15)[:, :, None]
            rows, columns = np.flatnonzero((ink > 4).any(1)), np.flatnonzero((ink > 4).any(0))
            boxes.append((x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1))
            labels.append(label)
        found |= {f"{name}_images": images, f"{name}_boxes": np.array(boxes, np.float32)}
        found |= {f"{name}_labels": np.array(labels, np.int64), f"{name}_image": np.arange(count)}
    return found


@dataclass(frozen=True, eq=False)
class Trained:
    """A training that is over."""

    job: DenseJob
    folder: Path
    metrics: Mapping[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("detection")
    np.savez_compressed(folder / "set.npz", **digits())  # type: ignore[arg-type]
    settings = DenseSettings(epochs=5, batch=16, learning_rate=5e-3, threads=1, device="cpu")
    job = DenseJob(tiny_backbone(), Detection(), read_set(folder / "set.npz", "detection"), settings)
    metrics = train_dense(job, folder / "trained")
    export_dense(job, folder / "trained")
    return Trained(job, folder / "trained", metrics)


def test_it_learns_where_what_is(trained: Trained) -> None:
    network = trained.job.untrained().eval()
    metric = trained.job.task.metric()
    images, targets = trained.job.data.split("test")
    with torch.no_grad():
        metric.update(network(images.permute(0, 3, 1, 2) / 255), targets)
    assert metric.compute()["map50"] < 0.1
    assert trained.metrics["map50"] > 0.6
    assert trained.metrics["map50"] >= trained.metrics["map"] > 0.2


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns shares of the last dimension."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def test_boxes_can_be_made_of_the_file_by_what_lies_beside_it(trained: Trained) -> None:
    """Reads the file with numpy as default_boxes.json says, and finds what torch finds."""
    manifest, said = (json.loads((trained.folder / name).read_text()) for name in (MANIFEST, BOXES))
    assert manifest["outputs"] == ["class_logits", "box_offsets"] and BOXES in manifest["files"]
    reading = manifest["preprocessing"]
    images, _ = trained.job.data.split("test")
    mean, std = (np.array(reading[name], np.float32) for name in ("mean", "std"))
    pixels = ((images.numpy() / np.float32(255) - mean) / std).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(trained.folder / ONNX)
    logits, offsets = session.run(manifest["outputs"], {"image": np.ascontiguousarray(pixels)})
    with torch.no_grad():
        expected = trained_network(trained.job, trained.folder)(torch.from_numpy(pixels))
    defaults = np.array(said["default_boxes"], np.float32)
    centres = defaults[:, :2] + offsets[..., :2] * said["centre_variance"] * defaults[:, 2:]
    sizes = defaults[:, 2:] * np.exp(offsets[..., 2:] * said["size_variance"])
    boxes = np.clip(np.concatenate([centres - sizes / 2, centres + sizes / 2], -1), 0, SIDE)
    shares = softmax(logits)[..., 1:]
    for place in range(len(images)):
        found = detections(expected[0][place], expected[1][place], torch.from_numpy(defaults), SIDE, SIDE)
        best, label = np.unravel_index(shares[place].argmax(), shares[place].shape)
        assert found.labels[0] == label and found.scores[0] == pytest.approx(shares[place, best, label], abs=1e-4)
        np.testing.assert_allclose(found.boxes[0], boxes[place, best], atol=1e-2)


def test_mirrored_boxes_are_where_the_mirrored_pixels_are() -> None:
    image = torch.zeros(5, 8)
    image[1:3, 0:3] = 1
    target = {"boxes": torch.tensor([[0.0, 1, 3, 3]]), "labels": torch.tensor([1])}
    mirrored = Detection().mirrored(target, 8)
    x0, y0, x1, y1 = mirrored["boxes"][0].long().tolist()
    assert image.flip(1)[y0:y1, x0:x1].sum() == image.sum() == (x1 - x0) * (y1 - y0)
    assert torch.equal(target["boxes"], torch.tensor([[0.0, 1, 3, 3]])) and mirrored["labels"].tolist() == [1]


def test_a_set_to_segment_and_a_missing_package_are_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "set.npz", classes=np.array(["a", "b"]), train_masks=np.zeros((1, 2, 2), np.uint8))
    words = ("task=detection", f"data={tmp_path}/set.npz", "network=mobilenet_v2", f"out={tmp_path}/out")
    assert "no array train_images in it, which a set for detection has" in run(capsys, "backbone", *words).line
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "task=detection: needs pycocotools, not installed" in run(capsys, "backbone", *words).line
    assert [path.name for path in tmp_path.iterdir()] == ["set.npz"]
