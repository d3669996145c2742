"""What each job of a sweep leaves in the sweep's folder: its settings, its run folder, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nastk.errors import UserError
from nastk.files import cannot_write, write_json
from nastk.outside import read_json

NOTES = ".jobs"
WAITING, RUNNING, COMPLETE, FAILED = "waiting", "running", "complete", "failed"
# What may change from one call to the next that goes on with a sweep.
FREE = ("hydra", "run", "runs", "trials", "executor", "max_duplicates", "max_rejections", "max_failures")


@dataclass(frozen=True)
class JobNote:
    """A job of a sweep.

    Attributes:
        number: from 0.
        overrides: its settings, as on a command line.
        state: waiting, running, complete or failed; running too where its process was killed.
        reason: why it failed, in one line.
        run: name of its run folder in the sweep's; empty where it has none.
    """

    number: int
    overrides: tuple[str, ...]
    state: str = WAITING
    reason: str = ""
    run: str = ""


def write_note(folder: Path, note: JobNote) -> None:
    """Writes a job's note into the sweep's folder; raises UserError where it cannot be written."""
    place = folder / NOTES
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(place, error) from None
    write_json(place / f"{note.number:04d}.json", asdict(note))


def read_notes(folder: Path) -> list[JobNote]:
    """Returns the notes of a sweep's jobs by number, none where it has none.

    Raises:
        UserError: a note is damaged.
    """
    notes = []
    for path in sorted((folder / NOTES).glob("[0-9]*.json")):
        found = read_json(path)
        try:
            note = JobNote(**{**found, "overrides": tuple(found["overrides"])})
        except (TypeError, KeyError):
            raise UserError(f"{path}: damaged, expected what a job of a sweep writes; take it out") from None
        if Path(note.run).name != note.run:
            raise UserError(f"{path}: run={note.run!r}, expected the name of a folder beside {NOTES}")
        notes.append(note)
    return sorted(notes, key=lambda note: note.number)


def plan_jobs(folder: Path, jobs: Sequence[Sequence[str]]) -> None:
    """Writes a note for each job that has none yet.

    Raises:
        UserError: a job of that number had other settings.
    """
    there = {note.number: note for note in read_notes(folder)}
    for number, overrides in enumerate(jobs):
        before = there.get(number)
        if before is None:
            continue
        old, new = (sorted(word for word in words if not _is_free(word)) for words in (before.overrides, overrides))
        if old != new:
            told = " ".join(word for word in old if word not in new) or "nothing"
            instead = " ".join(word for word in new if word not in old) or "nothing"
            raise UserError(
                f"{folder}: job {number} of this sweep had {told}, this command gives it {instead}; "
                "use the same settings in the same order to go on, or another hydra.sweep.dir="
            )
    for number, overrides in enumerate(jobs):
        if number not in there:
            write_note(folder, JobNote(number, tuple(overrides)))


def _is_free(word: str) -> bool:
    return word.lstrip("+~").split("=")[0].replace("/", ".").split(".")[0] in FREE
