"""Compares nastk's int8 files for OpenVINO with those of NNCF's accuracy-controlled quantization.

    taskset -c 1 python scripts/benchmarks/openvino_nncf.py --photos photos.npz --work DIR --out report.md

Needs `pip install nncf`. The networks are those of openvino_networks.py. Both calibrate on the same 256 training
images; NNCF may put layers back into float where accuracy on held-out training images drops by more than half a point,
nastk's files are as calibrated. Scored on all test images, timed in turn under the same settings.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import nncf
import numpy as np
import openvino
import torch
from machine import machine
from openvino_networks import PLANS, Plan, images_of, trained
from openvino_target import Found, prepared, read_options, rows

from nastk.deploy.export.assess import quality, torch_logits
from nastk.deploy.images import normalised
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.runtimes.latency import interleaved
from nastk.deploy.runtimes.openvino_session import OpenvinoSession, openvino_version
from nastk.deploy.targets import OpenvinoTarget

HELD_OUT = 512
MAX_DROP = 0.005
NETWORKS = ("resnet18", "mobilenet_v2", "mobilenet_v3_small")
PRESETS = {"NNCF, its default": None, "NNCF, mixed preset": nncf.QuantizationPreset.MIXED}


def main() -> None:
    options = read_options(__doc__)
    logging.getLogger("nncf").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    facts = machine()
    lines = [
        f"# int8 for OpenVINO: nastk's files and NNCF's\n\n`{facts['command']}`, {facts['date']}, commit "
        f"{facts['commit']}, {facts['processor']}, one thread, OpenVINO {openvino_version()}, "
        f"NNCF {version('nncf')}.\n\nHeld out for NNCF's control: {HELD_OUT} training images, a drop of {MAX_DROP} "
        "allowed. A time in doubt has a question mark.\n"
    ]
    for plan in PLANS:
        if plan.network in NETWORKS:
            trained(plan, options.work, options.photos)
            lines += compared(plan, options)
            if options.out is not None:
                options.out.write_text("\n".join(lines) + "\n")
    if options.out is None:
        print("\n".join(lines))


def compared(plan: Plan, options: argparse.Namespace) -> list[str]:
    """Returns the table of a plan's network, and how long NNCF took."""
    network, source, images, labels = prepared(plan, options.work, options.photos)
    data = images_of(plan, options.work, options.photos).train()
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))[:HELD_OUT]
    normal = network.facts["normalisation"]
    held = normalised(data.pixels(chosen), normal["mean"], normal["std"]), data.y[chosen].numpy()
    target, shape = OpenvinoTarget(threads=1), (1, *network.config.shape)
    settings = target.settings("int8")
    sessions = {"float32": OpenvinoSession(serialise(source.model), settings, shape)}
    sessions["nastk int8"] = OpenvinoSession(serialise(source.quantized(target.scheme)), settings, shape)
    spent = []
    with tempfile.TemporaryDirectory() as place:
        for number, (name, preset) in enumerate(PRESETS.items()):
            path = Path(place, f"{number}.xml")
            begin = time.process_time()
            openvino.save_model(controlled(source, held, shape, preset), path, compress_to_fp16=False)
            spent.append(f"{name}: {time.process_time() - begin:.0f} s of CPU")
            sessions[name] = OpenvinoSession(path, settings, shape)
        expected = torch_logits(network.network, images)
        scores = [quality(one.predict(images), expected, labels) for one in sessions.values()]
        latencies = interleaved(list(sessions.values()), batch=1, threads=1, seconds=options.seconds)
    found = [Found(*one) for one in zip(sessions, latencies, scores, strict=True)]
    return [*rows(plan, found), "", f"Quantizing took {'; '.join(spent)}."]


def controlled(
    source: Any, held: tuple[Any, Any], shape: tuple[int, ...], preset: nncf.QuantizationPreset | None
) -> openvino.Model:
    """Returns what NNCF makes of the float32 graph."""
    model = openvino.Core().read_model(serialise(source.model))
    model.reshape({INPUT: list(shape)})
    calibration = nncf.Dataset(list(source.calibration), lambda image: {INPUT: image[None]})
    validation = nncf.Dataset(list(zip(*held, strict=True)), lambda pair: {INPUT: pair[0][None]})

    def accuracy(compiled: openvino.CompiledModel, pairs: Iterable[Any]) -> float:
        return float(np.mean([compiled({INPUT: image[None]})[0].argmax() == label for image, label in pairs]))

    return nncf.quantize_with_accuracy_control(
        model,
        calibration,
        validation,
        accuracy,
        max_drop=MAX_DROP,
        preset=preset,
        subset_size=len(source.calibration),
    )


if __name__ == "__main__":
    main()
