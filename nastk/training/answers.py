"""A teacher's answers to fixed views of the images, kept on disk: no second student has the teacher run again.

A network that is trained on few fixed augmentations loses some of what Beyer et al., "Knowledge distillation: A good
teacher is patient and consistent", CVPR 2022 (arXiv 2106.05237) gain by new ones in each epoch; that teacher and
student see the same crop stays. Shen, Xing, "A Fast Knowledge Distillation Framework for Visual Recognition", ECCV 2022
(arXiv 2112.01528) keep a teacher's answers to crops for the same reason.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from nastk.data.images import ImageSet
from nastk.data.normalisation import Normalisation
from nastk.errors import UserError
from nastk.files import cannot_write, write_bytes
from nastk.networks.stored import tensors_in
from nastk.outside import read_bytes
from nastk.progress import doing
from nastk.training.augment import Augmentation
from nastk.training.distillation import Lesson
from nastk.training.teacher import Teacher
from nastk.training.warp import Warp

SCHEMA = 1
FOLDER = ".answers"  # beside the folders of the students
ANSWERS, DIGEST = "answers", "sha256"


@dataclass(frozen=True, eq=False)
class KeptAnswers:
    """Where the answers to one set of images are kept, a file a view.

    Attributes:
        folder: is made.
        lesson: the teacher, which answers where no file does.
        teacher: what it is, see `Teacher.record`.
        views: how many there are.
        writes: whether this process writes files; of several that train together one does.
        images: hash of the images and of all that decides what a view of them shows, see `of`.
        count: of the images.
    """

    folder: Path
    lesson: Lesson
    teacher: Mapping[str, Any]
    views: int
    writes: bool = True
    images: str = ""
    count: int = 0

    def of(self, images: ImageSet, normalisation: Normalisation, augmentation: Augmentation, warp: Warp) -> KeptAnswers:
        """Returns the same for a set of images that is varied and normalised so."""
        facts = {
            "schema": SCHEMA,
            "teacher": dict(self.teacher),
            "images": [images.fingerprint(), len(images), images.channels, images.size],
            "normalisation": [list(normalisation.mean), list(normalisation.std)],
            "augmentation": asdict(augmentation),
            "warp": asdict(warp),
        }
        known = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return replace(self, images=known, count=len(images))

    def path(self, view: int) -> Path:
        """Returns where the answers to a view lie."""
        return self.folder / f"{self.images[:32]}-{view}.safetensors"

    def answers(self, view: int, shown: Iterable[Tensor]) -> Tensor:
        """Returns the answers to all images, float32 (n, classes) on the CPU: from the file, or made and kept now.

        Args:
            view: its number.
            shown: the images so, in their order, as the student gets them; iterated where there is no whole file.

        Raises:
            UserError: the folder cannot be written.
        """
        path = self.path(view)
        known = self._read(path, view)
        if known is not None:
            return known
        with doing("asking the teacher about all images"):
            made = torch.cat([self.lesson.answers(batch).cpu() for batch in shown])
        if self.writes:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot_write(self.folder, error) from None
            write_bytes(path, safetensors.torch.save({ANSWERS: made, DIGEST: self._digest(view, made)}))
        return made

    def _read(self, path: Path, view: int) -> Tensor | None:
        """Returns what a file holds; None where there is none, or it is damaged, which a warning says."""
        if not path.exists():
            return None
        try:
            found = tensors_in(read_bytes(path, path.stat().st_size), path)
        except UserError:
            found = {}
        none = torch.empty(0)
        answers, digest = found.get(ANSWERS, none), found.get(DIGEST, none)
        fits = answers.dtype == torch.float32 and answers.ndim == 2 and len(answers) == self.count
        if fits and torch.equal(digest, self._digest(view, answers)):
            return answers
        warnings.warn(f"{path}: cut short or damaged; the teacher answers again", stacklevel=4)
        return None

    def _digest(self, view: int, answers: Tensor) -> Tensor:
        digest = hashlib.sha256(f"{self.images} {view} {tuple(answers.shape)}".encode())
        digest.update(answers.contiguous().numpy().tobytes())
        return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def kept_beside(
    folder: Path, taught: Lesson | None, teacher: Teacher | None, views: int, *, writes: bool
) -> KeptAnswers | None:
    """Returns a teacher's answers that the students of a run share, beside the folder of one of them.

    None where there is no teacher, or no views: it is asked in each step.
    """
    if taught is None or teacher is None or not views:
        return None
    return KeptAnswers(folder.parent / FOLDER, taught, teacher.record, views, writes)
