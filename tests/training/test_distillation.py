"""Distillation: the loss is the paper's, the teacher sees the student's own batch, a student follows its teacher."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from nastk.data.images import DataSource
from nastk.data.normalisation import Normalisation, statistics
from nastk.data.sources import Digits, Npz
from nastk.errors import UserError
from nastk.networks.stored import load_trained
from nastk.training.batches import in_order
from nastk.training.checkpoint import Checkpoints
from nastk.training.distillation import Lesson, divergence, lesson
from nastk.training.run_settings import RunSettings
from nastk.training.teacher import Teacher, trained_teacher
from nastk.training.transfer import TransferSettings, train_final
from tests.training.small import CONFIG, few_digits, genotype

SETTINGS = TransferSettings(epochs=4, device="cpu", threads=1, batch=20, mixup=0.2, auxiliary=0.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    return few_digits(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: DataSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network that is trained without a teacher."""
    folder = tmp_path_factory.mktemp("teacher") / "net"
    train_final(genotype(), dataclasses.replace(CONFIG, filters=8), data, SETTINGS, folder)
    return folder


def student(folder: Path, data: DataSource, **more: Any) -> dict[str, Any]:
    settings = dataclasses.replace(SETTINGS, **more.pop("settings", {}))
    return train_final(genotype(), CONFIG, data, settings, folder, **more)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_divergence_of_softened_distributions(temperature: float) -> None:
    torch.manual_seed(0)
    logits, answers = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    p, q = (torch.softmax(values / temperature, 1) for values in (answers, logits))
    expected = temperature**2 * (p * (p / q).log()).sum(1)
    assert torch.allclose(divergence(logits, answers, temperature).double(), expected, atol=1e-5)
    assert divergence(answers, answers, temperature).abs().max() < 1e-6


def test_at_a_high_temperature_the_gradient_is_the_difference_of_the_logits() -> None:
    """Hinton et al. 2015, equation 4: (z - v) / N where the logits of each image have mean 0."""
    torch.manual_seed(0)
    logits, answers = (values - values.mean(1, keepdim=True) for values in torch.randn(2, 5, 7))
    logits.requires_grad_(True)
    (gradient,) = torch.autograd.grad(divergence(logits, answers, 300.0).sum(), logits)
    assert torch.allclose(gradient, (logits - answers).detach() / 7, atol=2e-3)


def test_labels_and_class_weights_have_their_share() -> None:
    torch.manual_seed(0)
    logits, answers, targets = torch.randn(4, 3), torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    half = Lesson(lambda images: images, None, None, (1, 1), 0.25, 2.0)
    labelled = torch.nn.functional.cross_entropy(logits, targets)
    taught = divergence(logits, answers, 2.0)
    assert torch.allclose(half.loss(logits, answers, targets, None, 0.0), 0.25 * taught.mean() + 0.75 * labelled)
    weights = torch.tensor([3.0, 1.0, 0.5])
    more = torch.randn(2, 2, 3)
    logits, answers = torch.cat([logits, more[0]]), torch.cat([answers, more[1]])
    taught = divergence(logits, answers, 2.0)
    found = half.loss(logits, answers, targets, None, 0.0)
    assert torch.allclose(found, 0.25 * taught.mean() + 0.75 * labelled), (
        "images without labels have the teacher's part"
    )
    alone = dataclasses.replace(half, weight=1.0)
    each = torch.cat([weights[targets], answers[4:].softmax(1) @ weights])
    expected = (taught * each).mean()
    for form in (targets, torch.nn.functional.one_hot(targets, 3).float()):
        assert torch.allclose(alone.loss(logits, answers, form, weights, 0.1), expected)


def seen_by(size: int, theirs: Normalisation | None) -> Callable[[Tensor], Tensor]:
    teacher = Teacher("it", "0", 10, None, (1, size, size), theirs, lambda device: lambda images: images)
    return lesson(teacher, Normalisation((0.5,), (0.25,)), CPU, weight=1.0, temperature=1.0).answers


def test_the_teacher_sees_the_students_batch_in_its_own_normalisation_and_size() -> None:
    pixels = torch.rand(3, 1, 8, 8)
    batch = (pixels - 0.5) / 0.25
    assert torch.equal(seen_by(8, None)(batch), batch)
    assert torch.allclose(seen_by(8, Normalisation((0.1,), (2.0,)))(batch), (pixels - 0.1) / 2.0, atol=1e-6)
    flat = torch.full((1, 1, 8, 8), 0.7)
    assert torch.allclose(seen_by(16, None)(flat), torch.full((1, 1, 16, 16), 0.7))
    assert seen_by(4, None)(batch).shape == (3, 1, 4, 4)


def test_a_student_follows_a_teacher_that_says_other_than_the_labels(
    data: DataSource, trained: Path, tmp_path: Path
) -> None:
    """A teacher that takes each digit for the next one: what the student then says can be from nowhere else."""
    real = trained_teacher(trained)
    wrong = dataclasses.replace(real, sha256="1", at=lambda device: lambda x: real.at(device)(x).roll(1, 1))
    plain = student(tmp_path / "plain", data)
    with pytest.raises(UserError, match="holds another training .without a teacher."):
        student(tmp_path / "plain", data, teacher=wrong)
    taught = student(tmp_path / "taught", data, teacher=wrong)
    images, _ = next(in_order(data.test(), statistics(data.train()), CPU))
    with torch.no_grad():
        expected = wrong.at(CPU)(images).argmax(1)
        agreement = [
            float((load_trained(tmp_path / name).network(images).argmax(1) == expected).float().mean())
            for name in ("plain", "taught")
        ]
    assert agreement[1] > agreement[0] + 0.2, agreement
    assert taught["accuracy"] < plain["accuracy"] - 0.1
    assert "teacher" not in json.loads((tmp_path / "plain" / "training.json").read_text())


class Killed(BaseException):
    pass


def test_a_student_stopped_within_an_epoch_ends_with_the_same_bytes_and_no_other_teacher_goes_on(
    data: DataSource, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught = {"teacher": str(trained)}
    for name, count in (("more", 35), ("other", 34)):
        np.savez(tmp_path / f"{name}.npz", x=Digits().test().pixels(torch.arange(count))[:, 0].numpy())
    more, other_images = (
        dataclasses.replace(cast(Npz, data), unlabelled=str(tmp_path / f"{n}.npz")) for n in ("more", "other")
    )
    metrics = student(tmp_path / "unbroken", more, settings=taught)
    assert (metrics["train_images"], metrics["unlabelled_images"]) == (200, 35)
    folder = tmp_path / "net"
    write = Checkpoints.write

    def write_and_die(self: Checkpoints, trainer: Any) -> None:
        write(self, trainer)
        if trainer.global_step == 13:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoints, "write", write_and_die)
        student(folder, more, settings=taught, run=RunSettings(checkpoint_minutes=1e-9))
    with pytest.raises(UserError, match="holds another training .with a teacher."):
        student(folder, data)
    for images, line in ((data, "without unlabelled images"), (other_images, "with other unlabelled images")):
        with pytest.raises(UserError, match=f"holds another training .{line.replace('without', 'with')}."):
            student(folder, images, settings=taught)
    other = dataclasses.replace(trained_teacher(trained), sha256="0")
    with pytest.raises(UserError, match="holds another training .with another teacher."):
        student(folder, more, teacher=other)
    with pytest.raises(UserError, match=r"teacher\.temperature is 1\.0 there and 2\.0 here"):
        student(folder, more, settings={**taught, "teacher_temperature": 2.0})
    with pytest.raises(UserError, match=r"unlabelled\.ratio is 1\.0 there and 2\.0 here"):
        student(folder, more, settings={**taught, "teacher_unlabelled": 2.0})
    student(folder, more, settings=taught)
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "unbroken" / "model.safetensors").read_bytes()


def test_students_of_a_run_share_the_answers_to_fixed_views(data: DataSource, trained: Path, tmp_path: Path) -> None:
    real = trained_teacher(trained)
    asked: list[int] = []

    def answering(images: Tensor) -> Tensor:
        asked.append(len(images))
        return real.at(CPU)(images)

    counted = dataclasses.replace(real, at=lambda device: answering)
    how = {"mixup": 0.0, "teacher_views": 2, "epochs": 3}
    student(tmp_path / "first", data, teacher=counted, settings=how)
    assert asked == [200, 200]
    student(tmp_path / "second", data, teacher=counted, settings={**how, "seed": 1})
    assert asked == [200, 200]
    assert json.loads((tmp_path / "second" / "training.json").read_text())["teacher"]["views"] == 2
    with pytest.raises(UserError, match=r"teacher_views=2: expected 0 with mixup or cutmix"):
        dataclasses.replace(SETTINGS, teacher_views=2)


@pytest.mark.slow
def test_processes_that_train_together_open_the_teacher_each(data: DataSource, trained: Path, tmp_path: Path) -> None:
    settings = {"teacher": str(trained), "epochs": 1}
    metrics = student(tmp_path / "net", data, settings=settings, run=RunSettings(devices=2))
    assert metrics["epochs"] == 1
    record = json.loads((tmp_path / "net" / "training.json").read_text())
    assert record["teacher"]["sha256"] == trained_teacher(trained).sha256


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"outputs": 9}, r"teacher it: knows 9 classes, expected the 10 of the data"),
        ({"classes": tuple("abcdefghij")}, r"knows the classes \[a, b, .*\], expected those of the data: \[0, 1, 2"),
        ({"classes": tuple("1023456789")}, r"knows the classes \[1, 0, .*\] in another order, expected"),
        ({"shape": (3, 8, 8)}, r"takes images of 3 channel\(s\), the data have 1"),
    ],
)
def test_a_teacher_of_something_else_is_refused(change: dict[str, Any], line: str, data: DataSource) -> None:
    fitting = Teacher("it", "0", 10, tuple(data.classes), (1, 8, 8), None, lambda device: lambda images: images)
    fitting.check(data)
    with pytest.raises(UserError, match=line):
        dataclasses.replace(fitting, **change).check(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("teacher_weight", value) for value in (0.0, 1.5, "1")),
        *(("teacher_temperature", value) for value in (0.0, float("nan"))),
        *(("teacher_mean", value) for value in ((), (0.1, 0.2), ("a",), 0.5)),
        *(("teacher_std", value) for value in ((0.0,), (float("inf"),))),
        ("teacher", ""),
        *(("teacher_unlabelled", value) for value in (0.0, 65.0, "1")),
        *(("teacher_views", value) for value in (-1, 0.5, 10_001)),
    ],
)
def test_settings_of_a_teacher_are_checked(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"^{name}="):
        TransferSettings(**{name: value})
