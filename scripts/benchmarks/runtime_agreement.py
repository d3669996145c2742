"""The same images through every runtime at hand: whether a file answers alike wherever it is read."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.export.assess import quality, torch_logits
from nastk.deploy.onnx.graph import INPUT, OUTPUT
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.runtimes.session import denormals_flushed
from nastk.deploy.targets.target import Runner, Target
from scripts.benchmarks.openvino_reader import OpenVinoReader

BATCH = 64


@dataclass(frozen=True)
class Agreement:
    """How a runtime answers with a file, against torch on the same images.

    Attributes:
        runtime: its name.
        file: of the export; empty for torch.
        precision: of the file.
        images: that were asked.
        accuracy: share of them classified rightly.
        agreement: share on which it names the same class as torch.
        max_difference: greatest absolute difference of a logit.
        range: greatest absolute logit of torch.
    """

    runtime: str
    file: str
    precision: str
    images: int
    accuracy: float
    agreement: float
    max_difference: float
    range: float


def reference_evaluator(path: Path) -> Runner:
    """Reads a file with ONNX's own evaluator, in numpy: what the standard says, slowly."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(validate_model(path).data)

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        (logits,) = evaluator.run([OUTPUT], {INPUT: images})
        return np.asarray(logits, dtype=np.float32)

    return run


# Readers of ONNX files that have nothing to do with what wrote them, and the module that each needs.
READERS: Mapping[str, tuple[str, Callable[[Path], Runner]]] = {
    "ONNX reference evaluator": ("onnx", reference_evaluator),
    "OpenVINO": ("openvino", OpenVinoReader),
}
SLOW = ("ONNX reference evaluator",)


def compare(
    network: nn.Module,
    folder: Path,
    targets: Sequence[Target],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    slow_images: int,
) -> list[Agreement]:
    """Asks torch, the targets' runtimes and the readers of `READERS` that are installed.

    Args:
        network: in eval mode.
        folder: of the export, with the targets' files.
        targets: those that cannot run here are left out; a file of several is run by the first. The ONNX files are
            given to the readers too.
        images: (n, C, H, W), normalised.
        labels: (n,).
        slow_images: the first so many are given to the slow readers.

    Returns:
        torch's answer first, then a row for each runtime and file.
    """
    reference = torch_logits(network, images)
    runners: list[tuple[str, str, str, Callable[[Path], Runner]]] = []
    for target in targets:
        known = {file for _, file, _, _ in runners}
        if target.cannot_run() is None:
            files = target.files.items()
            runners += [(target.name, file, precision, target.runner) for precision, file in files if file not in known]
    onnx_files = {file: precision for _, file, precision, _ in runners if file.endswith(".onnx")}
    runners += [
        (reader, file, precision, read)
        for reader, (module, read) in READERS.items()
        if importlib.util.find_spec(module) is not None
        for file, precision in onnx_files.items()
    ]
    answers = [_agreement("torch", "", "fp32", reference, reference, labels)]
    for runtime, file, precision, read in runners:
        count = slow_images if runtime in SLOW else len(images)
        asked, run = images[:count], read(folder / file)
        with denormals_flushed():
            logits = np.concatenate([run(asked[at : at + BATCH]) for at in range(0, count, BATCH)])
        answers.append(_agreement(runtime, file, precision, logits, reference[:count], labels[:count]))
    return answers


def _agreement(
    runtime: str,
    file: str,
    precision: str,
    logits: NDArray[np.float32],
    reference: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> Agreement:
    found = quality(logits, reference, labels)
    largest = float(np.abs(reference).max())
    return Agreement(
        runtime, file, precision, len(logits), found.accuracy, found.agreement, found.max_difference, largest
    )
