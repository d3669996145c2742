"""Quantization-aware training as a part of the export: a trained network, fine-tuned for the int8 that will run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nastk.checks import MOST, check_number, check_path, check_whole
from nastk.data.images import DataSource, ImageSet
from nastk.data.normalisation import Normalisation
from nastk.data.sources.unlabelled import unlabelled_images
from nastk.deploy.emittable import Emittable, emittable
from nastk.deploy.export.export_settings import ExportSettings
from nastk.deploy.images import balanced, check_source, normalised
from nastk.deploy.manifest import describe_files
from nastk.deploy.precision.calibrate import tensor_ranges
from nastk.deploy.precision.scheme import X86, Scheme
from nastk.deploy.tuning.trainable import TrainableInt8
from nastk.deploy.tuning.tuned import SCHEMA, TUNED
from nastk.deploy.tuning.write_back import write_back
from nastk.errors import UserError
from nastk.events import EpochEnded, TrainingBegan, tell
from nastk.files import cannot_write, write_json
from nastk.jobs.teacher import tuning_teacher
from nastk.networks.stored import GENOTYPE, NETWORK, WEIGHTS, Trained, load_trained, save_trained
from nastk.outside import read_json
from nastk.training.checkpoint import remove_checkpoints
from nastk.training.fine_tune import fine_tune
from nastk.training.settings import TrainingSettings
from nastk.training.teacher import Teacher

FOLDER = "qat"
# Where a training runs is no part of what it is.
ELSEWHERE = ("device", "threads", "teacher", "teacher_unlabelled")


@dataclass(frozen=True)
class QatSettings:
    """How a network is fine-tuned for int8.

    Attributes:
        epochs: passes over the training images; 0 for no fine-tuning; None: see `settled`.
        learning_rate: AdamW's highest; the steps of activations are trained ten times as fast.
        batch: images a step.
        teacher: path of a trained classifier to learn from in place of the labels, see `open_teacher`; "self" for the
            network itself, in float32.
        teacher_unlabelled: images of `data.unlabelled` a step, for each labelled one; with a teacher.
        seed, device, threads: see `TrainingSettings`.

    Raises:
        UserError: a value that cannot be.
    """

    epochs: int | None = None
    learning_rate: float = 1e-3
    batch: int = 64
    teacher: str | None = None
    teacher_unlabelled: float = 1.0
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None:
            check_whole("export.qat.epochs", self.epochs, 0, 10_000)
        check_number("export.qat.learning_rate", self.learning_rate, 0, 1, above=True)
        check_whole("export.qat.batch", self.batch, 2, MOST)
        if self.teacher is not None:
            check_path("export.qat.teacher", self.teacher)
        check_number("export.qat.teacher_unlabelled", self.teacher_unlabelled, 0, 64, above=True)
        check_whole("export.qat.seed", self.seed, 0, MOST)
        if self.threads is not None:
            check_whole("export.qat.threads", self.threads, 1, 1024)

    def recipe(self) -> TrainingSettings:
        """Returns the training: short, without what a network needs that learns from nothing."""
        return TrainingSettings(
            epochs=self.epochs or 0,
            batch=self.batch,
            optimizer="adamw",
            learning_rate=self.learning_rate,
            warmup=0.1,
            weight_decay=0.0,
            auxiliary=0.0,
            precision="fp32",
            graph=False,
            seed=self.seed,
            device=self.device,
            threads=self.threads,
        )


def fine_tuned(
    model: Path, data: DataSource, train: ImageSet, how: ExportSettings, qat: QatSettings, scheme: Scheme = X86
) -> Path:
    """Fine-tunes the network of a folder for int8; what is there already, made of the same, is kept.

    Killed and called again, it goes on from its last epoch and ends with the same bytes.

    Args:
        model: folder of the trained network; the result goes into its folder `qat`.
        data: what it was trained on.
        train: images of it to train on.
        how: of the calibration that the ranges begin with.
        qat: how to train.
        scheme: of the int8 that is trained for.

    Returns:
        The folder: model.safetensors, genotype.json, network.json, and qat.json with the ranges.

    Raises:
        UserError: the network is damaged, of other data, or cannot be trained; or the folder cannot be written.
    """
    folder = model / FOLDER
    trained = load_trained(model)
    check_source(data, trained.config, trained.facts["classes"])
    check_whole("export.qat.batch", qat.batch, 2, len(train))
    teacher = tuning_teacher(qat.teacher, data, model)
    unlabelled = None if teacher is None else unlabelled_images(data)
    record = _record(model, train, how, qat, scheme, teacher)
    if unlabelled is not None:
        record["unlabelled"] = {"sha256": unlabelled.fingerprint(), "ratio": qat.teacher_unlabelled}
    if _is_done(folder, record):
        remove_checkpoints(folder)  # a kill may have come before it did
        return folder
    _begin(folder, record)
    source = calibrated(trained, data, how)
    network = TrainableInt8(source.model, source.ranges, scheme)
    loss = _train(network, trained, data, (train, unlabelled), qat, folder, teacher)
    write_back(trained.network, network.folded(), (1, *source.shape))
    save_trained(folder, trained.network, trained.config, trained.genotype, trained.facts)
    facts = {"epochs": qat.epochs, "train_images": len(train), "train_loss": loss, "scheme": scheme.name}
    ranges = {name: list(bounds) for name, bounds in sorted(network.ranges().items())}
    write_json(folder / TUNED, {"schema": SCHEMA, "record": record, "facts": facts, "ranges": ranges})
    remove_checkpoints(folder)
    return folder


def _begin(folder: Path, record: dict[str, Any]) -> None:
    """Makes the folder; checkpoints of a training of something else are taken away."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    if _found(folder).get("record") != record:
        remove_checkpoints(folder)
        write_json(folder / TUNED, {"schema": SCHEMA, "record": record})


def calibrated(trained: Trained, data: DataSource, how: ExportSettings) -> Emittable:
    """Returns what int8 files are written from: a trained network and the ranges of its tensors on training images."""
    normal = trained.facts["normalisation"]
    images = normalised(balanced(data.train(), how.calibration), normal["mean"], normal["std"])

    def calibrate(model: Any, images: Any) -> Any:
        return tensor_ranges(model, images, how.method)

    return emittable(trained.network, trained.config, trained.genotype.key, images, calibrate)


def _train(
    network: TrainableInt8,
    trained: Trained,
    data: DataSource,
    images: tuple[ImageSet, ImageSet | None],
    qat: QatSettings,
    folder: Path,
    teacher: Teacher | None,
) -> float:
    """Trains on images with labels, and on those without; returns the mean training loss of the last epoch."""
    key, normal = trained.genotype.key, trained.facts["normalisation"]
    tell(TrainingBegan(FOLDER, key, qat.epochs or 0))
    return fine_tune(
        network,
        images[0],
        Normalisation(tuple(normal["mean"]), tuple(normal["std"])),
        data,
        qat.recipe(),
        folder,
        key=key,
        progress=lambda epoch, epochs, loss: tell(EpochEnded(key, epoch, epochs, loss, FOLDER)),
        teacher=teacher,
        unlabelled=images[1],
        ratio=qat.teacher_unlabelled,
    )


def _record(
    model: Path, train: ImageSet, how: ExportSettings, qat: QatSettings, scheme: Scheme, teacher: Teacher | None
) -> dict[str, Any]:
    """Returns all that the result depends on; of a teacher what it is, not where, and without one nothing."""
    files = describe_files(model, (WEIGHTS, GENOTYPE, NETWORK))
    return {
        "source": {name: entry["sha256"] for name, entry in files.items()},
        "settings": {name: value for name, value in asdict(qat).items() if name not in ELSEWHERE},
        "calibration": {"images": how.calibration, **asdict(how.method)},
        "scheme": scheme.name,
        "train_sha256": train.fingerprint(),
        **({} if teacher is None else {"teacher": teacher.record}),
    }


def _is_done(folder: Path, record: dict[str, Any]) -> bool:
    found = _found(folder)
    if found.get("record") != record or "ranges" not in found:
        return False
    try:
        load_trained(folder)
    except UserError:
        return False
    return True


def _found(folder: Path) -> dict[str, Any]:
    """Returns what qat.json holds, nothing where it is missing or damaged."""
    try:
        found: Any = read_json(folder / TUNED)
    except UserError:
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}
