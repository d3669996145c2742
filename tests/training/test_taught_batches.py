"""Batches with images that have no labels, and a teacher's answers to fixed views, kept on disk."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nastk.data.images import Images
from nastk.data.normalisation import Normalisation, statistics
from nastk.data.sources import Digits
from nastk.errors import UserError
from nastk.training.answers import KeptAnswers
from nastk.training.batches import Batches
from nastk.training.distillation import Lesson
from nastk.training.settings import TrainingSettings
from nastk.training.share import Share
from nastk.training.taught_batches import TaughtBatches, taught_batches

CPU = torch.device("cpu")
DIGITS = Digits()
SETTINGS = TrainingSettings(batch=10, cutout=0.25, flip=True, rotate=10.0)
LABELLED, OTHERS = (DIGITS.train().take(torch.arange(*ends)) for ends in ((0, 43), (100, 125)))
NORMAL = statistics(LABELLED)


class Asked:
    """A teacher whose answer to an image are its pixels, and which counts the images that it is asked about."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.count += len(images)
        return images.flatten(1)


def made(unlabelled: Images | None = None, **more: Any) -> Batches | TaughtBatches:
    given: dict[str, Any] = {"ratio": 0.5, "seed": 0, "device": CPU, **more}
    settings = given.pop("settings", SETTINGS)
    return taught_batches(LABELLED, unlabelled, NORMAL, DIGITS, settings, **given)


def epochs(batches: Batches | TaughtBatches, count: int, start: int = 0, skip: int = 0) -> list[tuple[Tensor, ...]]:
    found = []
    for epoch in range(start, count):
        batches.epoch, batches.skip, skip = epoch, skip, 0
        found += list(batches)
    return found


def kept(folder: Path, views: int = 2, name: str = "it") -> tuple[KeptAnswers, Asked]:
    asked = Asked()
    lesson = Lesson(asked, None, None, (8, 8), 1.0, 1.0)
    return KeptAnswers(folder, lesson, {"sha256": name}, views), asked


def test_each_batch_has_its_share_of_images_without_labels_each_once_in_their_own_epoch() -> None:
    plain = TrainingSettings(batch=10, crop=0.0)
    batches = made(OTHERS, settings=plain)
    assert batches.shape == (15, 1, 8, 8) and len(batches) == 4
    found = epochs(batches, 3)
    assert {(x.shape[0], len(y)) for x, y in found} == {(15, 10)}
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in found)
    alone = epochs(made(settings=plain), 3)
    for (x, y), (own, labels) in zip(found, alone, strict=True):
        assert torch.equal(x[:10], own) and torch.equal(y, labels)
    more = torch.cat([x[10:] for x, _ in found[:5]])
    assert len(torch.unique(more.flatten(1), dim=0)) == len(OTHERS), "25 images, 5 a step"


def test_what_a_step_holds_is_a_function_of_its_number() -> None:
    whole = epochs(made(OTHERS, settings=TrainingSettings(batch=10, mixup=0.2, cutout=0.25)), 3)
    resumed = epochs(made(OTHERS, settings=TrainingSettings(batch=10, mixup=0.2, cutout=0.25)), 3, start=1, skip=3)
    assert len(resumed) == 5
    for one, other in zip(whole[7:], resumed, strict=True):
        assert all(map(torch.equal, one, other))


def test_processes_share_each_batch_and_few_images_are_as_many_as_there_are() -> None:
    shares = [made(OTHERS, share=Share(rank, 2)) for rank in range(2)]
    parts = [epochs(one, 1) for one in shares]
    assert {x.shape[0] for part in parts for x, _ in part} == {5 + 2}
    assert made(OTHERS.take(torch.arange(3)), ratio=9.0).shape[0] == 13
    with pytest.raises(UserError, match=r"^data.unlabelled: 1 image\(s\), expected one for each of 2 devices"):
        made(OTHERS.take(torch.arange(1)), share=Share(0, 2))


def test_kept_answers_are_those_to_the_very_images_and_no_second_student_asks(tmp_path: Path) -> None:
    first, asked = kept(tmp_path / "answers")
    found = epochs(made(OTHERS, kept=first), 5)
    for x, _, answers in found:
        assert torch.equal(answers, x.flatten(1)), "with labels and without, each image its own answer"
    assert asked.count == 2 * (len(LABELLED) + len(OTHERS)), "once a view"
    assert len(list((tmp_path / "answers").iterdir())) == 4
    second, idle = kept(tmp_path / "answers")
    again = epochs(made(OTHERS, kept=second, seed=1), 2)
    assert idle.count == 0 and not torch.equal(again[0][0], found[0][0]), "another order of the same views"
    for x, _, answers in again:
        assert torch.equal(answers, x.flatten(1))
    views = [torch.cat([x for x, *_ in epochs(made(kept=first), at + 1, at)]).flatten(1) for at in range(3)]
    rows = [{tuple(row.tolist()) for row in view} for view in views]
    assert not rows[0] & rows[1] and len(rows[0] & rows[2]) > 30, "the third epoch shows the first view"


@pytest.mark.parametrize("change", ["teacher", "images", "augmentation", "normalisation"])
def test_answers_of_something_else_are_not_taken(tmp_path: Path, change: str) -> None:
    first, other = kept(tmp_path)[0], kept(tmp_path, name="other" if change == "teacher" else "it")[0]
    settings = SETTINGS if change != "augmentation" else TrainingSettings(batch=10)
    images = OTHERS if change == "images" else LABELLED
    normal = Normalisation((0.1,), (0.2,)) if change == "normalisation" else NORMAL
    whole = SETTINGS.augmentation(0.1, False), SETTINGS.warp()
    own = first.of(LABELLED, NORMAL, *whole)
    assert own.path(0) == kept(tmp_path)[0].of(LABELLED, NORMAL, *whole).path(0)
    found = other.of(images, normal, settings.augmentation(0.1, False), settings.warp())
    assert found.path(0) != own.path(0) != own.path(1)


def test_damaged_answers_are_made_again(tmp_path: Path) -> None:
    first, _ = kept(tmp_path, views=1)
    expected = epochs(made(kept=first), 1)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[:-1] + bytes([whole[-1] ^ 1]), b"", b"no safetensors"):
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="cut short or damaged; the teacher answers again"):
            found = epochs(made(kept=kept(tmp_path, views=1)[0]), 1)
        assert all(map(torch.equal, found[-1], expected[-1]))
        assert path.read_bytes() == whole
