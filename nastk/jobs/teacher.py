"""The teacher that a training is given: a trained network, run by torch, or an ONNX file, run by ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nastk.data.images import DataSource
from nastk.data.normalisation import Normalisation
from nastk.deploy.export.classifier import ONNX, Run, onnx_files, open_classifier, run_bounded
from nastk.deploy.export.onnx_file import open_file
from nastk.deploy.manifest import MANIFEST, load_manifest, sha256
from nastk.deploy.runtimes.session import denormals_flushed
from nastk.errors import UserError
from nastk.networks.stored import NETWORK
from nastk.training.run_settings import RunSettings
from nastk.training.teacher import Logits, Teacher, trained_teacher
from nastk.training.transfer_settings import AUTO, TransferSettings

FLOAT = "fp32"  # of an export the file that knows most
SELF = "self"
PROBES = 4  # images of noise that a file is tried on before a training


def asked_teacher(recipe: TransferSettings, data: DataSource, run: RunSettings) -> Teacher | None:
    """Returns the teacher that a recipe names, found to fit the data; None for none, or for one of the run's own.

    Raises:
        UserError: it is no classifier that can be run, is damaged, knows other classes or takes other channels; or
            needs one process, and the training has several.
    """
    if recipe.teacher is None or recipe.teacher == AUTO:
        if recipe.teacher_mean is not None or recipe.teacher_std is not None:
            raise UserError(
                "training.teacher_mean and teacher_std: are of a teacher's ONNX file, but training.teacher is none"
            )
        return None
    path = Path(recipe.teacher)
    teacher = open_teacher(path, _normalisation(recipe))
    teacher.check(data)
    if run.ddp and not (path / NETWORK).is_file():
        raise UserError(
            f"training.teacher={recipe.teacher}: ONNX Runtime runs it in one process, expected the folder of a trained "
            "network where several train together, or devices=1"
        )
    return teacher


def tuning_teacher(path: str | None, data: DataSource, model: Path | None) -> Teacher | None:
    """Returns the teacher of a fine-tuning, found to fit the data; None where there is none.

    Args:
        path: as `open_teacher` takes it, or "self" for the network that is fine-tuned, as it was before.
        data: that is trained on.
        model: folder of that network, None where it is not there yet.

    Raises:
        UserError: it is no classifier that can be run, is damaged, knows other classes or takes other channels.
    """
    if path is None or (path == SELF and model is None):
        return None
    teacher = trained_teacher(model) if path == SELF and model is not None else open_teacher(Path(path))
    teacher.check(data)
    return teacher


def open_teacher(path: Path, normalisation: Normalisation | None = None) -> Teacher:
    """Opens a teacher: the folder of a trained network or of an export, or an ONNX file.

    Args:
        path: where it is.
        normalisation: of an ONNX file that lies in no export; None for the student's.

    Raises:
        UserError: it is none of them, or damaged; or the normalisation is known already.
    """
    if not path.exists():
        raise UserError(
            f"teacher {path}: not there, expected the folder of a trained network or export, or an ONNX file"
        )
    bare = path.suffix == ONNX and not _exported(path)
    if normalisation is not None and not bare:
        raise UserError(f"teacher {path}: says its own normalisation, leave teacher_mean and teacher_std out")
    if bare or path.suffix == ONNX or (path / MANIFEST).is_file():
        with denormals_flushed():
            return _of_file(path, normalisation) if bare else _of_export(path)
    if not path.is_dir():
        raise UserError(f"teacher {path}: is neither a folder nor an {ONNX} file")
    return trained_teacher(path)


def teacher_lines(teacher: Teacher | None, sizes: Iterable[int]) -> Iterator[str]:
    """Yields what a user is told of a teacher before it teaches networks for images of so many pixels a side."""
    if teacher is None:
        return
    yield f"teacher {teacher.path}, SHA-256 {teacher.sha256[:12]}"
    for size in sorted(set(sizes)):
        resizing = teacher.resizing(size)
        if resizing is not None:
            yield f"teacher: {resizing}"
    if teacher.classes is None:
        yield f"teacher: names no classes; its outputs are taken for the data's {teacher.outputs}, in their order"


def _normalisation(recipe: TransferSettings) -> Normalisation | None:
    mean, std = recipe.teacher_mean, recipe.teacher_std
    if mean is None and std is None:
        return None
    if mean is None or std is None or len(mean) != len(std):
        raise UserError(f"training.teacher_mean={mean}, teacher_std={std}: expected as many numbers in both")
    return Normalisation(tuple(map(float, mean)), tuple(map(float, std)))


def _exported(path: Path) -> bool:
    """Says whether an ONNX file is one of the export whose folder it lies in."""
    beside = path.parent / MANIFEST
    return beside.is_file() and path.name in load_manifest(path.parent, verify=False)["files"]


def _of_export(path: Path) -> Teacher:
    folder, files = (path.parent, path.name) if path.suffix == ONNX else (path, None)
    there = {one.precision: one.file for one in onnx_files(load_manifest(folder))}
    wanted = [precision for precision, file in there.items() if file == files]
    if files is not None and not wanted:
        raise UserError(f"teacher {path}: the {MANIFEST} beside it does not say what it is")
    one = open_classifier(folder, wanted[0] if wanted else FLOAT if FLOAT in there else None, onnxruntime_only=True)
    shape = (one.channels, one.size, one.size)
    digest = sha256(folder / one.file)
    normalisation = Normalisation(one.mean, one.std)
    return _teacher(folder / one.file, digest, one.run, len(one.classes), one.classes, shape, normalisation)


def _of_file(path: Path, normalisation: Normalisation | None) -> Teacher:
    digest, one = sha256(path), open_file(path)
    if normalisation is not None and len(normalisation.mean) != one.shape[0]:
        raise UserError(f"training.teacher_mean={normalisation.mean}: expected {one.shape[0]} number(s), one a channel")
    run = functools.partial(run_bounded, one.session, str(path), classes=one.outputs)
    return _teacher(path, digest, run, one.outputs, one.classes, one.shape, normalisation)


def _teacher(
    path: Path,
    digest: str,
    runs: Run,
    outputs: int,
    classes: tuple[str, ...] | None,
    shape: tuple[int, int, int],
    normalisation: Normalisation | None,
) -> Teacher:
    run = functools.partial(_run, runs)
    tried = run(torch.randn(PROBES, *shape, generator=torch.Generator().manual_seed(0)))
    if not tried.isfinite().all():
        raise UserError(f"teacher {path}: what it computes is not finite; its weights are damaged")
    sums_to_one = bool(((tried.sum(1) - 1).abs() < 1e-4).all() and (tried >= 0).all())
    logits = _logarithm(run) if sums_to_one else run
    return Teacher(str(path), digest, outputs, classes, shape, normalisation, lambda device: logits)


def _run(runs: Run, images: Tensor) -> Tensor:
    """Returns logits on the images' device; what ONNX Runtime does to denormal numbers ends with it."""
    with denormals_flushed():
        pixels = np.ascontiguousarray(images.float().cpu().numpy())
        return torch.from_numpy(runs(pixels)).to(images.device)


def _logarithm(run: Logits) -> Logits:
    """Makes logits of probabilities, for a file that ends in a softmax."""
    return lambda images: run(images).clamp(min=torch.finfo(torch.float32).tiny).log()
