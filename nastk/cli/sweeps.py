"""Runs a sweep: a folder of its own, a run folder and a note for every job, GPUs dealt out, one summary at the end."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from nastk.cli.foreign_config import composed, config_loader, jobs_of
from nastk.errors import UserError
from nastk.files import cannot_write
from nastk.runs.sweep_jobs import COMPLETE, FAILED, RUNNING, JobNote, plan_jobs, read_notes, write_note

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Sweep:
    """A sweep that is about to run: its folder, and the settings of each job."""

    folder: Path
    jobs: tuple[tuple[str, ...], ...]


def sweeping() -> bool:
    """Whether this process runs a job of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def begun_sweep(words: Sequence[str], config_name: str) -> tuple[Sweep | None, list[str]]:
    """Makes the folder of a sweep, or takes the one that `hydra.sweep.dir=` names and may go on with.

    Args:
        words: the command line.
        config_name: the entry point's.

    Returns:
        the sweep, None where the command line asks for none, and the command line with the sweep's folder.

    Raises:
        UserError: the folder cannot be made, or holds a sweep of other jobs.
    """
    given = get_args_parser().parse_args(list(words))
    if not given.multirun or given.help or given.hydra_help or given.cfg or given.info or given.shell_completion:
        return None, list(words)
    loader, overrides = config_loader(given.config_dir), list(given.overrides or ())
    jobs = jobs_of(loader, overrides)
    if not jobs:
        raise UserError("the sweep has no job: a list or range of values on the command line is empty")
    own = tuple(tuple(word for word in job if not word.lstrip("+~").startswith(("hydra.", "hydra/"))) for job in jobs)
    first, *_ = [composed(loader, config_name, job) for job in jobs]  # a mistake in any is found before the first runs
    if str(first["hydra"]["launcher"].get("_target_")).endswith(".SlurmLauncher") and shutil.which("sbatch") is None:
        raise UserError("hydra/launcher: SLURM's sbatch is not on this machine; expected a cluster's, or joblib")
    if any(word.startswith("hydra.sweep.dir=") for word in overrides):
        folder = Path(str(first["hydra"]["sweep"]["dir"]))
        if folder == Path() or "${" in str(folder):
            raise UserError(f"hydra.sweep.dir={str(folder)!r}: expected a folder of its own, the same for all jobs")
        if (folder / "config.yaml").exists():
            raise UserError(f"hydra.sweep.dir={str(folder)!r}: is a run's folder, expected a sweep's or a new one")
        _make(folder, exist_ok=True)
    else:
        folder = _new_folder(str(first.get("runs", "runs")), config_name)
        # Beside the other settings: argparse takes no words after an option that follows some.
        place = next((index for index, word in enumerate(words) if word in overrides), len(words))
        words = [*words[:place], f"hydra.sweep.dir={quoted(str(folder))}", *words[place:]]
    plan_jobs(folder, own)
    return Sweep(folder, own), list(words)


def run_swept(job: Callable[[DictConfig], None], config: DictConfig) -> None:
    """Runs one job of a sweep; what goes wrong is noted, and the other jobs go on."""
    hydra = HydraConfig.get()
    place, number = Path(hydra.sweep.dir), int(hydra.job.num)
    _take_gpu(config)
    note = JobNote(number, tuple(hydra.overrides.task), RUNNING, run=job_folder(config).name)
    write_note(place, note)
    print(f"[job {number}: {note.run}]", file=sys.stderr, flush=True)
    try:
        job(config)
    except (UserError, OSError) as error:
        reason = " ".join(str(error).split())
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    else:
        write_note(place, replace(note, state=COMPLETE))
        return
    print(f"nastk: job {number} failed: {reason}", file=sys.stderr)
    write_note(place, replace(note, state=FAILED, reason=reason))


def job_folder(config: DictConfig) -> Path:
    """Returns the run folder of this job: its number tells it from all others of the sweep."""
    hydra = HydraConfig.get()
    number, choices = int(hydra.job.num), hydra.runtime.choices
    if config.get("run") is not None:
        return Path(hydra.sweep.dir) / f"{config.run}-{number}"
    parts = [choices.get("space"), choices.get("controller"), f"seed{config.seed}" if "seed" in config else None]
    return Path(hydra.sweep.dir) / "-".join([f"{number:03d}", *(str(part) for part in parts if part)])


def study_name(folder: Path) -> str:
    """Returns what the study of a run folder is called where many share a storage: jobs of two sweeps are alike."""
    return f"{folder.resolve().parent.name}-{folder.name}" if sweeping() else folder.name


def end_sweep(sweep: Sweep, config_name: str) -> int:
    """Writes sweep.json and sweep.html, prints what became of each job; returns how many did not end well."""
    from nastk.reports import jobs_text, read_jobs, shortened, write_sweep_report

    if config_name == "search":
        page = write_sweep_report(sweep.folder)
        print(f"\n{jobs_text(read_jobs(sweep.folder))}\n\nReport: {page}")
    numbers = range(len(sweep.jobs))
    bad = [note for note in read_notes(sweep.folder) if note.number in numbers and note.state != COMPLETE]
    if bad:
        told = "; ".join(f"job {note.number} ({shortened(note.reason or note.state)})" for note in bad)
        print(f"nastk: {len(bad)} of {len(sweep.jobs)} jobs did not end well: {told}", file=sys.stderr)
    return len(bad)


def gpu_of_job(number: int, gpus: int, environment: Mapping[str, str]) -> str | None:
    """Returns the GPU of a job, by number modulo those there are; None where something else has dealt them out."""
    if gpus < 2 or VISIBLE in environment or any(name.startswith("SLURM_JOB") for name in environment):
        return None
    return str(number % gpus)


def _take_gpu(config: DictConfig) -> None:
    """Jobs that run at once take a GPU each, as long as nobody has chosen one."""
    if HydraConfig.get().runtime.choices.get("hydra/launcher") == "basic" or VISIBLE in os.environ:
        return
    devices = {
        str(OmegaConf.select(config, f"{name}.device") or "auto")
        for name in ("evaluator", "training")
        if name in config
    }
    if not devices <= {"auto", "cuda"}:
        return
    import torch

    gpu = gpu_of_job(int(HydraConfig.get().job.num), torch.cuda.device_count(), os.environ)
    if gpu is not None:
        os.environ[VISIBLE] = gpu


def _new_folder(runs: str, config_name: str) -> Path:
    """Two sweeps that start at once get two folders."""
    kind = {"search": "sweep", "transfer": "transfers"}.get(config_name, f"{config_name}-sweep")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        folder = Path(runs) / f"{kind}-{stamp}{f'-{attempt}' if attempt else ''}"
        try:
            _make(folder, exist_ok=False)
        except FileExistsError:
            continue
        return folder
    raise UserError(f"{runs}: a thousand sweeps started in one second; give hydra.sweep.dir=FOLDER")


def _make(folder: Path, exist_ok: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError:
        if exist_ok:
            raise UserError(f"hydra.sweep.dir={str(folder)!r}: is a file, expected a folder") from None
        raise
    except OSError as error:
        raise cannot_write(folder, error) from None


def quoted(text: str) -> str:
    """Returns a text as Hydra reads one, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
