"""Measures what calibration costs int8 and what quantization-aware training wins back, over seeds.

    python scripts/benchmarks/qat.py --data fashion_mnist --root shared/data/fashion-mnist --subset 6000 --epochs 5 \\
        --seeds 5 --out scripts/benchmarks/reports/<date>-qat.md

For each seed a random cell is trained, calibrated and written as int8, then fine-tuned for int8 by the export's own
`fine_tuned` and written again, and all are scored on the test images. A control is fine-tuned as long in float32 and
written as int8 from a new calibration: what it gains is owed to the training, not to the rounding in it. With
`--planted FACTOR` a channel of some tensors is made greater by that factor and the convolution after it smaller, which
changes nothing in float32 and takes most of int8's steps from the other channels. Files are run by ONNX Runtime, those
of the scheme "openvino" by OpenVINO, as its target does.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import onnx
import torch
from machine import machine

from nastk.data.images import DataSource, ImageSet
from nastk.data.normalisation import Normalisation
from nastk.data.sources import load_data
from nastk.data.subsets import subset
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.images import balanced, normalised
from nastk.deploy.onnx.graph_index import WEIGHTED
from nastk.deploy.onnx.writer import serialise
from nastk.deploy.precision.calibrate import Method
from nastk.deploy.precision.scheme import ARM, OPENVINO, X86, Scheme
from nastk.deploy.runtimes.openvino_session import OpenvinoSession
from nastk.deploy.runtimes.session import open_session, predict
from nastk.deploy.targets import OpenvinoTarget
from nastk.deploy.targets.target import Runner
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.deploy.tuning.tuned import tuned_emittable
from nastk.deploy.tuning.write_back import write_back
from nastk.jobs.held_out import held_out_images
from nastk.jobs.qat import QatSettings, fine_tuned
from nastk.networks import NetworkConfig
from nastk.networks.stored import Trained, load_trained, save_trained
from nastk.spaces import DartsSpace, NasBench201Space, NasnetSpace
from nastk.spaces.space import random_genotype
from nastk.training.fine_tune import fine_tune
from nastk.training.transfer import TransferSettings, train_final
from tests.deploy.hurt import hurt

SPACES = {"nasnet": NasnetSpace(), "darts": DartsSpace(), "nasbench201": NasBench201Space()}
SCHEMES = {scheme.name: scheme for scheme in (X86, ARM, OPENVINO)}
SIDES = ("float32", "calibrated int8", "fine-tuned in float32, then int8", "fine-tuned for int8")
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Fewer:
    """A data source with fewer training images.

    Attributes:
        source: all of them.
        count: how many are left, drawn class-balanced; 0 for all.
    """

    source: DataSource
    count: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def train(self) -> ImageSet:
        """Returns the training images that are left."""
        images = self.source.train()
        return subset(images, self.count, 0) if self.count else images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--root")
    parser.add_argument("--subset", type=int, default=0, help="training images; 0: all")
    parser.add_argument("--space", default="nasnet", choices=SPACES)
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--filters", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5, help="of the training in float32")
    parser.add_argument("--qat-epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--planted", type=float, nargs="+", default=[1.0, 500.0])
    parser.add_argument("--schemes", nargs="+", default=["x86", "arm"], choices=SCHEMES)
    parser.add_argument("--out", type=Path, help="report to write; default: print it")
    arguments = parser.parse_args()
    data: Any = Fewer(load_data(arguments.data, arguments.root), arguments.subset)
    rows: list[Row] = []
    start = time.perf_counter()
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            model = _trained(Path(folder) / "model", data, arguments, seed)
            for factor in arguments.planted:
                for scheme in map(SCHEMES.__getitem__, arguments.schemes):
                    rows.append(_measured(model, data, arguments, seed, factor, scheme))
                    print(rows[-1], file=sys.stderr, flush=True)
    text = _report(rows, arguments, time.perf_counter() - start)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text)


def _trained(folder: Path, data: Any, arguments: argparse.Namespace, seed: int) -> Path:
    genotype = random_genotype(SPACES[arguments.space], random.Random(seed))
    shape = {"classes": len(data.classes), "channels": data.channels, "size": data.size}
    config = NetworkConfig(cells=arguments.cells, filters=arguments.filters, **shape)
    recipe = TransferSettings(epochs=arguments.epochs, auxiliary=0.0, holdout=True, seed=seed)
    train_final(genotype, config, data, recipe, folder)
    return folder


def _measured(model: Path, data: Any, arguments: argparse.Namespace, seed: int, factor: float, scheme: Scheme) -> Row:
    """Returns test accuracies by side, and the seconds that fine-tuning for int8 took."""
    qat = QatSettings(epochs=arguments.qat_epochs, seed=seed)
    how = ExportSettings()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        folder.mkdir()
        trained = load_trained(model)
        if factor != 1:
            hurt(trained.network, factor)
        save_trained(folder, trained.network, trained.config, trained.genotype, trained.facts)
        (folder / "training.json").write_bytes((model / "training.json").read_bytes())
        train, _ = held_out_images(folder, data)
        normal = trained.facts["normalisation"]
        images = normalised(balanced(data.train(), how.calibration), normal["mean"], normal["std"])
        source = emittable(trained.network, trained.config, trained.genotype.key, images)
        start = time.perf_counter()
        tuned = tuned_emittable(fine_tuned(folder, data, train, how, qat, scheme), source, Method())
        seconds = time.perf_counter() - start
        control = _fine_tuned_in_float(load_trained(folder), source, data, train, qat, Path(place))
        models = (source.model, *(one.quantized(scheme) for one in (source, control, tuned)))
        scores = {side: _accuracy(one, data, normal, scheme) for side, one in zip(SIDES, models, strict=True)}
    return {"seed": seed, "planted": factor, "scheme": scheme.name, **scores, "seconds": seconds}


def _fine_tuned_in_float(
    trained: Trained, source: Emittable, data: Any, train: ImageSet, qat: QatSettings, folder: Path
) -> Emittable:
    layers = {node.name for node in source.model.graph.node if node.op_type in WEIGHTED}
    network = TrainableInt8(source.model, source.ranges, X86, layers)
    normal = trained.facts["normalisation"]
    normalisation = Normalisation(tuple(normal["mean"]), tuple(normal["std"]))
    fine_tune(network, train, normalisation, data, qat.recipe(), folder, key=source.key)
    write_back(trained.network, network.folded(), (1, *source.shape))
    return emittable(trained.network, trained.config, source.key, source.calibration)


def _accuracy(model: onnx.ModelProto, data: Any, normal: dict[str, Any], scheme: Scheme) -> float:
    run, right, count = _runner(model, data, scheme), 0, 0
    for pixels, labels in data.test().batches(1024):
        answers = run(normalised(pixels, normal["mean"], normal["std"])).argmax(1)
        right += int((torch.from_numpy(answers) == labels).sum())
        count += len(labels)
    return right / count


def _runner(model: onnx.ModelProto, data: Any, scheme: Scheme) -> Runner:
    """Opens a file in the runtime that its scheme is for."""
    if scheme is OPENVINO:
        shape = (1, data.channels, data.size, data.size)
        return OpenvinoSession(serialise(model), OpenvinoTarget().settings("int8"), shape).predict
    session = open_session(serialise(model), threads=0)
    return lambda images: predict(session, images)


def _report(rows: Sequence[Row], arguments: argparse.Namespace, seconds: float) -> str:
    facts = machine()
    lines = ["# Quantization-aware training", "", f"`{facts.pop('command')}`", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [
        f"- seconds: {seconds:.0f}",
        "",
        f"Random cells of {arguments.space} ({arguments.cells} a stage, {arguments.filters} filters), trained for "
        f"{arguments.epochs} epochs on {arguments.data}, fine-tuned for {arguments.qat_epochs}. Test accuracy, mean "
        f"over {arguments.seeds} seeds, least and greatest in brackets; ONNX Runtime, for openvino OpenVINO. Gain: "
        "fine-tuned for int8 less calibrated, seed by seed. Planted: how much greater a channel of some tensors is "
        "than the others.",
        "",
        f"| planted | scheme | {' | '.join(SIDES)} | gain | seconds of fine-tuning |",
        f"|---|---|{'---|' * len(SIDES)}---|---|",
    ]
    for key in dict.fromkeys((row["planted"], row["scheme"]) for row in rows):
        mine = [row for row in rows if (row["planted"], row["scheme"]) == key]
        cells = [_spread([row[side] for row in mine]) for side in SIDES]
        gains = _spread([row[SIDES[3]] - row[SIDES[1]] for row in mine])
        taken = statistics.mean(row["seconds"] for row in mine)
        lines.append(f"| {key[0]:g} | {key[1]} | {' | '.join(cells)} | {gains} | {taken:.0f} |")
    return "\n".join([*lines, ""])


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    main()
