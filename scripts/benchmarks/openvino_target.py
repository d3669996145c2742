"""Compares ONNX Runtime and OpenVINO: the same networks in float32, bfloat16 and int8, taking turns on one thread.

    taskset -c 1 python scripts/benchmarks/openvino_target.py --photos photos.npz --work DIR --out report.md

The networks are those of openvino_networks.py, trained first where they are not there. Each file is written by its
target, calibrated on training images, scored on all test images and timed under the settings that it ships with.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from machine import machine
from numpy.typing import NDArray
from openvino_networks import PLANS, Plan, folder_of, images_of, trained

from nastk.data.images import ImageSet
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.export.assess import Quality, quality, torch_logits
from nastk.deploy.images import balanced, normalised
from nastk.deploy.onnx.graph import INPUT
from nastk.deploy.runtimes.latency import CallTimer, Latency, Timer, interleaved
from nastk.deploy.runtimes.openvino_session import OpenvinoSession, openvino_version
from nastk.deploy.runtimes.session import open_session
from nastk.deploy.targets import CpuTarget, OpenvinoTarget, Target
from nastk.networks.stored import Trained, load_trained
from nastk.processor import usable_cores

CALIBRATED = 256  # training images
FREE = "float32 file, as OpenVINO takes it by itself, batch free"


@dataclass(frozen=True)
class Found:
    """A way to run a network: how long it takes, and how well it answers; None where only the time was taken."""

    way: str
    latency: Latency
    quality: Quality | None


def read_options(told: str | None) -> argparse.Namespace:
    """Returns what the command line gives a comparison of runtimes; `told` is its description."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of the networks")
    parser.add_argument("--seconds", type=float, default=3.0, help="that each file is timed for")
    parser.add_argument("--out", type=Path, help="report to write, renewed after each network; default: print it")
    return parser.parse_args()


def main() -> None:
    options = read_options(__doc__)
    torch.set_num_threads(1)
    lines = [head()]
    for plan in PLANS:
        trained(plan, options.work, options.photos)
        lines += rows(plan, compared(plan, options.work, options.photos, options.seconds))
        told = "\n".join(lines) + "\n"
        if options.out is not None:
            options.out.write_text(told)
    if options.out is None:
        print(told)


def compared(plan: Plan, work: Path, photos: Path, seconds: float) -> list[Found]:
    """Returns what was found of each file of a plan's network."""
    network, source, images, labels = prepared(plan, work, photos)
    expected = torch_logits(network.network, images)
    targets: dict[str, Target] = {"ONNX Runtime": CpuTarget(threads=1), "OpenVINO": OpenvinoTarget(threads=1)}
    timers: dict[str, Timer] = {}
    scores: dict[str, Quality] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, target in targets.items():
            folder = Path(place, target.name)
            folder.mkdir()
            target.emit(source, folder)
            for precision, file in target.files.items():
                way = f"{name} {precision}"
                timers[way] = opened(target, folder / file, images[:1])
                scores[way] = quality(target.runner(folder / file)(images), expected, labels)
        timers[FREE] = Free((folder / "model.onnx").read_bytes(), images[:1])
        found = interleaved(list(timers.values()), batch=1, threads=1, seconds=seconds)
    return [Found(way, latency, scores.get(way)) for way, latency in zip(timers, found, strict=True)]


def prepared(plan: Plan, work: Path, photos: Path) -> tuple[Trained, Emittable, NDArray[np.float32], NDArray[np.int64]]:
    """Returns a plan's network, the same calibrated, and its normalised test images with their labels."""
    network, data = load_trained(folder_of(plan, work)), images_of(plan, work, photos)
    mean, std = (network.facts["normalisation"][name] for name in ("mean", "std"))
    calibration = normalised(balanced(data.train(), CALIBRATED), mean, std)
    test: ImageSet = data.test()
    images = normalised(test.pixels(torch.arange(len(test))), mean, std)
    return network, emittable(network.network, network.config, "", calibration), images, test.y.numpy()


def opened(target: Target, path: Path, image: NDArray[np.float32]) -> Timer:
    """Returns what times a file of a target."""
    if isinstance(target, OpenvinoTarget):
        precision = next(name for name, file in target.files.items() if file == path.name)
        return OpenvinoSession(path.read_bytes(), target.settings(precision), image.shape)
    session = open_session(path.read_bytes(), threads=1)
    return CallTimer(lambda: session.run(None, {INPUT: image}))


class Free:
    """Times a file without a setting."""

    def __init__(self, model: bytes, image: NDArray[np.float32]) -> None:
        self._session, self._image = OpenvinoSession(model, {}), image

    def run(self, least: int, seconds: float = 0.0) -> list[float]:
        """Returns the seconds of each run: at least so many runs, and for at least so long."""
        return self._session.timed(lambda call: CallTimer(call).run(least, seconds), self._image)


def head() -> str:
    """Returns what the report begins with."""
    facts = machine()
    load = os.getloadavg()[0]
    return (
        f"# OpenVINO beside ONNX Runtime\n\n`{facts['command']}`, {facts['date']}, commit {facts['commit']}, "
        f"{facts['processor']}, one thread, {usable_cores()} core(s) to run on, load {load:.1f} at the start, OpenVINO "
        f"{openvino_version()}, {facts['versions']}.\n\nBatch 1, all files of a network in turn of 20 ms, the quietest "
        "three repeats. A time in doubt, since others ran on the core meanwhile, has a question mark; the quickest run "
        "beside it was disturbed least. Accuracy on all test images; agreement: with torch, the same class named.\n"
    )


def rows(plan: Plan, found: Sequence[Found]) -> list[str]:
    """Returns the table of a network."""
    lines = [
        f"\n## {plan.name}\n",
        "| runtime and file | p50 ms | quickest ms | accuracy % | agreement % | greatest difference of a logit |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        doubt = "" if one.latency.steady else " ?"
        score = one.quality
        told = ("-", "-", "-")
        if score is not None:
            told = f"{100 * score.accuracy:.2f}", f"{100 * score.agreement:.2f}", f"{score.max_difference:.2g}"
        lines.append(f"| {one.way} | {one.latency.p50_ms:.3f}{doubt} | {one.latency.min_ms:.3f} | {' | '.join(told)} |")
    return lines


if __name__ == "__main__":
    main()
