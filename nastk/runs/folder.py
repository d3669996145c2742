"""The run folder: made once, held by one process at a time, and never mixed with another configuration."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nastk.config.build import jsonable, load_yaml, plain
from nastk.errors import UserError, nearest
from nastk.files import cannot_write, remove_left_over, write_text
from nastk.version import __version__

FREE_SETTINGS = frozenset(
    {"run", "runs", "trials", "controller", "executor", "max_duplicates", "max_rejections", "max_failures"}
)
PLACE = ("run", "runs")
JOURNAL = "study.journal"  # of Optuna's study, where no database keeps it
DATA = "data.json"  # which images candidates were trained and validated on
IMAGES = ("data.root", "data.path")  # where they lie: free, for data.json tells whether they are the same


class InUseError(UserError):
    """Another process holds the run folder."""


def new_run(runs: str, space: str) -> Path:
    """Makes a run folder named by time and space; two processes that start at once get two folders."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        path = Path(runs) / f"{stamp}-{space}{f'-{attempt}' if attempt else ''}"
        try:
            path.mkdir(parents=True, exist_ok=False)
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(path, error) from None
    raise UserError(f"{runs}: a thousand runs started in one second; give run=<name>")


def made_folder(folder: Path) -> Path:
    """Returns a run folder, made where there is none; raises UserError where it cannot be, or holds other files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    if any(folder.iterdir()) and not any((folder / name).exists() for name in ("config.yaml", ".held")):
        raise UserError(f"{folder}: holds files but no run; give another run=, nothing was changed")
    return folder


def named_run(run: str, runs: str) -> Path:
    """Returns the folder that `run=` means: a path, or a name below `runs`."""
    if not run or run.strip() != run or "\0" in run:
        raise UserError(f"run={run!r}: expected a name or a path")
    path = Path(run)
    return path if path.parent != Path() or path.is_absolute() else Path(runs) / run


def existing_run(run: str | None, runs: str) -> Path:
    """Returns the folder of a search that has run.

    Raises:
        UserError: none was named, or it is not there, or it is not a run folder; names those there are.
    """
    there = sorted(path.parent.name for path in Path(runs).glob("*/config.yaml"))
    if run is None:
        hint = f"; the latest is run={there[-1]}" if there else ""
        raise UserError(f"run: not given, expected run=<name> of a search in {runs}/{hint}")
    path = named_run(run, runs)
    if not (path / "config.yaml").is_file():
        hint = f"; nearest is {nearest(run, there)[0]!r}" if there else ""
        raise UserError(f"run={run!r}: {path} is not the folder of a run (no config.yaml){hint}")
    return path


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run folder for this process; the system lets go of it however the process ends.

    Raises:
        InUseError: another process holds it.
        UserError: it cannot be written.
    """
    path = folder / ".held"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "?"
            raise InUseError(f"{folder}: in use by process {owner}; wait for it, or give another run=") from None
        try:
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise cannot_write(path, error) from None
        remove_left_over(folder)
        yield
    finally:
        os.close(handle)


def record_config(folder: Path, config: DictConfig, check_moved: Callable[[], object] = lambda: None) -> list[str]:
    """Writes config.yaml, or checks that the folder's is the same but for what may change on resuming.

    `check_moved` is called before anything is written where the images lie elsewhere; it raises where they are others.

    Returns:
        one line for each setting that changed and may.

    Raises:
        UserError: another setting differs; names the first.
    """
    path = folder / "config.yaml"
    settings = plain(config)
    changed: list[str] = []
    history: list[str] = []
    if path.exists():
        before = plain(load_yaml(path))
        history = list(before.pop("changes", ()))
        changed = _changes(folder, before, settings, check_moved)
        if not changed:
            return []
    elif any(folder.glob(f"{JOURNAL}*")):
        raise UserError(f"{folder}: has a study but no config.yaml; it is damaged, give another run=")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    history += [f"{stamp} {line}" for line in changed]
    record = {**jsonable(settings), "made_by": made_by(), "changes": history}
    text = OmegaConf.to_yaml(OmegaConf.create(record))
    write_text(path, text)
    return changed


def _changes(folder: Path, before: dict[str, Any], settings: Any, check_moved: Callable[[], object]) -> list[str]:
    """Returns a line a setting that differs from the folder's and may; raises UserError where another differs."""
    whole = before.pop("made_by", None) is not None  # it stands near the end
    changed: list[str] = []
    for name, old, new in _differences(before, settings, ""):
        if name in IMAGES and (folder / DATA).exists():
            check_moved()
        elif name.split(".")[0] not in FREE_SETTINGS:
            if not whole:
                path = folder / "config.yaml"
                raise UserError(f"{path}: empty or cut short; put back a copy, or give another run=")
            raise UserError(
                f"{folder}: holds a run with {name}={_short(old)}, this command has {_short(new)}; "
                f"use the same settings to go on, or another run="
            )
        if name not in PLACE:  # a folder may be renamed or copied
            changed.append(f"{name}: {old!r} before, {new!r} now")
    return changed


def made_by() -> dict[str, str]:
    """Returns versions of what runs: nastk and its git commit, Python, torch, Optuna, ONNX Runtime, the machine."""
    from importlib.metadata import PackageNotFoundError, version

    facts = {"nastk": __version__, "commit": git_commit(), "python": platform.python_version()}
    for package in ("torch", "pytorch-lightning", "optuna", "onnx", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            facts[package] = version(package)
    facts["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return facts


def git_commit() -> str:
    """Returns the commit of the checkout that nastk runs from, "+changes" if it was edited, or "unknown"."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown"
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        dirty = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit + ("+changes" if dirty else "")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def _differences(before: Any, after: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from _differences(before.get(name), after.get(name), f"{prefix}{name}.")
    elif before != after:
        yield prefix[:-1], before, after


def space_name(overrides: list[str]) -> str:
    """Returns the name given by `+space=`, for the run folder; "search" where there is none."""
    for override in overrides:
        match = re.fullmatch(r"\+?space=(['\"]?)([\w.-]+)\1", override)  # quoted where it comes from Python
        if match:
            return match.group(2)
    return "search"
