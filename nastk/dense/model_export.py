"""A trained backbone with its head as one ONNX file, checked against torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nastk.dense.batches import on_device
from nastk.dense.job import DenseJob
from nastk.dense.onnx_files import checked_model
from nastk.dense.train import METRICS, MODEL, trained_network
from nastk.deploy.manifest import describe_files
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.runtimes.machine import versions
from nastk.files import write_bytes, write_json
from nastk.outside import read_object

SCHEMA = 1
ONNX, MANIFEST = "model.onnx", "model.json"
COMPARED = 32  # test images on which the file is compared


def export_dense(job: DenseJob, folder: Path) -> dict[str, Any]:
    """Writes model.onnx, from `image` to the task's outputs, and model.json, which says how to use it.

    Args:
        job: that `train_dense` has finished.
        folder: of it.

    Returns:
        By output, "max_difference" from torch's on test images.

    Raises:
        UserError: the trained network is missing or damaged, cannot be written, or the folder cannot be.
        ParityError: the file does not compute what the network does.
    """
    network, metrics = trained_network(job, folder), read_object(folder / METRICS)
    pixels = job.data.split("test").images[:COMPARED]
    images, _ = on_device(pixels, (), job.normalisation(), torch.device("cpu"))
    outputs = job.task.outputs
    model, parity = checked_model(
        network, outputs, images.contiguous().numpy(), {"task": job.task.name, "key": metrics["key"]}, ONNX
    )
    write_bytes(folder / ONNX, serialise(model))
    beside = job.task.files()
    for name, content in beside.items():
        write_json(folder / name, content)
    named = ("task", "key", "classes", "maps", "preprocessing")
    facts = {
        "schema": SCHEMA,
        **{name: metrics[name] for name in named},
        "outputs": list(outputs),
        "against_torch": parity,
        "files": describe_files(folder, (ONNX, MODEL, *beside)),
        "versions": versions(),
    }
    write_json(folder / MANIFEST, facts)
    return parity
