"""What int8 weights that overflow cost on x86 without VNNI, and what weights that cannot overflow cost with it.

    python scripts/benchmarks/int8_overflow.py DATA.npz FOLDER [FOLDER ...]

Each folder holds a trained network, DATA what it was trained and is scored on. Weights are written in full eight bits,
and in steps so large that no two products leave 16 bits; each file is run as ONNX Runtime runs it on this processor,
and by its kernels that cannot overflow, which is what processors with VNNI compute.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from machine import machine

from nastk.data.images import ImageSet
from nastk.data.sources import Npz
from nastk.deploy.emittable import emittable
from nastk.deploy.images import normalised
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.scheme import X86
from nastk.deploy.runtimes.session import open_session, predict
from nastk.networks.stored import load_trained

CALIBRATED = 256  # training images
SCHEMES = {"eight bits": dataclasses.replace(X86, pairs=False), "without overflow": X86}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="npz of x_train, x_test, y_train, y_test")
    parser.add_argument("folders", type=Path, nargs="+", help="of trained networks")
    parser.add_argument("--resize", type=int, help="pixels a side that they were trained at")
    options = parser.parse_args()
    facts = machine()
    print(f"`{facts['command']}`, {facts['date']}, commit {facts['commit']}, {facts['processor']}\n")
    data = Npz(str(options.data), resize=options.resize)
    rows = [_accuracies(data, folder) for folder in options.folders]
    print("| weights | kernels | mean loss against fp32 (points) | greatest |\n|---|---|---|---|")
    for name in rows[0]:
        losses = [row[name] for row in rows]
        print(f"| {' | '.join(name)} | {statistics.fmean(losses):.2f} | {max(losses):.2f} |")


def _accuracies(data: Npz, folder: Path) -> dict[tuple[str, str], float]:
    """Returns the points of accuracy that each way of running an int8 file loses."""
    trained = load_trained(folder)
    train, test = data.train(), data.test()
    mean, std = (trained.facts["normalisation"][name] for name in ("mean", "std"))

    def first(images: ImageSet, count: int) -> np.ndarray:
        return normalised(images.pixels(torch.arange(min(count, len(images)))), mean, std)

    source = emittable(trained.network, trained.config, "", first(train, CALIBRATED))
    x, y = first(test, len(test)), test.y.numpy()
    exact = (predict(open_session(serialise(source.model)), x).argmax(1) == y).mean()
    found = {}
    for weights, scheme in SCHEMES.items():
        file = serialise(source.quantized(scheme))
        for kernels in ("as they come", "exact"):
            logits = predict(open_session(file, exact=kernels == "exact"), x)
            found[weights, kernels] = 100 * float(exact - (logits.argmax(1) == y).mean())
    print(folder.name, f"fp32 {100 * exact:.2f}", {" ".join(name): round(loss, 2) for name, loss in found.items()})
    return found


if __name__ == "__main__":
    main()
