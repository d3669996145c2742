"""The reasons for which a training ends early through no bug: divergence, out of memory, out of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from nastk.errors import UserError

ALLOCATION_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")


class TrainingError(Exception):
    """A training that cannot give a result; the message is its reason in one line."""

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.split())
        super().__init__(self.reason)


class TrainingFailed(UserError):  # noqa: N818  (the field's own words)
    """A final training gave no result, as `TrainingError` says; nothing is known to be wrong with other trainings.

    Attributes:
        reason: in one line, without the folder.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        self.reason = " ".join(reason.split())
        super().__init__(f"transfer {folder}: {self.reason}")


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """Turns a failed allocation, on the CPU or a GPU, into `TrainingError`; other errors pass."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # PyTorch's CPU allocator raises a bare RuntimeError, which only its text tells from a bug.
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(
            message in str(error) for message in ALLOCATION_MESSAGES
        ):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        first = str(error).strip().splitlines()
        raise TrainingError(f"out of memory ({first[0][:160] if first else 'MemoryError'})") from None
