"""Commands that are hurt: how they are started, ended and gone on with, and what has to hold of a folder afterwards."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from nastk.deploy.manifest import MANIFEST, load_manifest

SECONDS = 300.0
# What differs from one run to the next is what was measured, and when.
MEASURED = ("seconds", "latency_ms", "latency_steady", "train_seconds")
TEMPORARY = (".writing", ".partial", ".ckpt", ".lock", ".rename")


@dataclass(frozen=True)
class Command:
    """A command line: `python -m nastk.<entry> <words>`, on the run folder `run`, which it may leave unnamed."""

    entry: str
    run: Path
    words: tuple[str, ...] = ()
    named: bool = True

    @property
    def line(self) -> tuple[str, ...]:
        """The words, the run folder's among them."""
        return (f"run={self.run}", *self.words) if self.named else self.words


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, negative for a signal; what it printed; its steps, where it counted them."""

    code: int
    said: str
    steps: int


class Server:
    """Starts commands in processes that have everything imported already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = itertools.count()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._line() == "ready"

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()

    def start(self, command: Command, environment: Mapping[str, str] | None = None, **fault: Any) -> Started:
        """Starts a command; one at a time."""
        number = next(self._names)
        started = Started(self, self._folder / f"{number}.out", self._folder / f"{number}.steps")
        request = {"entry": command.entry, "words": command.line, "root": str(command.run), "fault": fault}
        request |= {"out": str(started.out), "steps": str(started.steps), "environment": dict(environment or {})}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        started.pid = int(self._line())
        return started

    def run(self, command: Command, environment: Mapping[str, str] | None = None, **fault: Any) -> Ended:
        """Runs a command to its end."""
        return self.start(command, environment, **fault).end()

    def _line(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], SECONDS)
        assert ready, "no answer from the server"
        return self._process.stdout.readline().decode().strip()


class Started:
    """A command under way."""

    def __init__(self, server: Server, out: Path, steps: Path) -> None:
        self._server = server
        self.out = out
        self.steps = steps
        self.pid = 0

    def signal(self, number: int, group: bool = False) -> None:
        """Sends a signal to the process, or to all of its group, as a terminal does, if it is still there.

        The server reaps it only when it is waited for.
        """
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def wait_for(self, path: Path, size: int = 1) -> None:
        """Returns when a file has so many bytes, or the command has ended."""
        deadline = time.monotonic() + SECONDS
        while not (path.exists() and path.stat().st_size >= size) and alive(self.pid):
            assert time.monotonic() < deadline, f"{path}: not written"
            time.sleep(0.01)

    def wait_for_lines(self, path: Path, lines: int) -> None:
        """Returns when a file has so many lines; fails where the command ends before."""
        deadline = time.monotonic() + SECONDS
        while not (path.exists() and path.read_bytes().count(b"\n") >= lines):
            assert alive(self.pid), f"it ended before {path} had {lines} lines"
            assert time.monotonic() < deadline, f"{path}: not written"
            time.sleep(0.02)

    def wait_until_said(self, text: str) -> None:
        """Returns when the command has printed a text, or has ended."""
        deadline = time.monotonic() + SECONDS
        while text not in (self.out.read_text() if self.out.exists() else "") and alive(self.pid):
            assert time.monotonic() < deadline, f"{text!r}: not said"
            time.sleep(0.01)

    def end(self) -> Ended:
        """Waits for its end."""
        code = int(self._server._line())
        steps = int(self.steps.read_text()) if self.steps.exists() else 0
        return Ended(code, self.out.read_text(), steps)


def alive(pid: int) -> bool:
    """Says whether a process runs; a zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def left_behind(command: int, seconds: float = 20.0) -> list[str]:
    """Returns the command lines of what an ended command started and what is still there after some seconds."""
    deadline = time.monotonic() + seconds
    while (there := _of_session(command)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return there


def _of_session(leader: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def said_to_go_on(ended: Ended, entry: str) -> tuple[str, ...]:
    """Returns the words of the command line that a stopped command named in its last line as what goes on."""
    assert ended.code in (130, 143), ended
    assert "Traceback" not in ended.said
    *_, last = ended.said.strip().splitlines()
    start = f"stopped; nothing finished is lost. To go on: python -m nastk.{entry} "
    assert last.startswith(start), ended.said
    return tuple(shlex.split(last.removeprefix(start)))


def rows(run: Path) -> list[dict[str, Any]]:
    """Returns the rows of trials.jsonl, without what is measured."""
    found: list[dict[str, Any]] = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    for row in found:
        for name in MEASURED:
            row.pop(name, None)
            row["metrics"].pop(name, None)
    return found


def trained(run: Path) -> dict[str, Any]:
    """Returns the metrics of each network that was trained, without what is measured, and its weights as bytes."""
    found: dict[str, Any] = {}
    for folder in sorted(path.parent for path in run.glob("transfer/*/metrics.json")):
        metrics = json.loads((folder / "metrics.json").read_text())
        found[folder.name] = {name: value for name, value in metrics.items() if name not in MEASURED}
        found[folder.name]["weights"] = (folder / "model.safetensors").read_bytes()
    return found


def exported(run: Path) -> dict[str, dict[str, str]]:
    """Returns the hashes of each export's networks; all files are held to the hashes of their manifest."""
    manifests = {path.parent.name: load_manifest(path.parent) for path in run.glob(f"export/[!.]*/{MANIFEST}")}
    return {
        key: {name: entry["sha256"] for name, entry in manifest["files"].items() if name.endswith(".onnx")}
        for key, manifest in manifests.items()
    }


def half_written(run: Path) -> Iterator[str]:
    """Yields the files of a run folder that are cut short, as a reader would find them at any moment."""
    for path in run.rglob("*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(run).parts):
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.name == "trials.csv":
                assert path.read_text().endswith("\n")
            elif path.suffix == ".safetensors":
                safetensors.torch.load(path.read_bytes())
            elif path.name == MANIFEST:
                load_manifest(path.parent)
        except Exception as error:
            yield f"{path}: {error}"


def left_over(run: Path) -> list[str]:
    """Returns the names of what a finished command should have taken away."""
    return [str(path) for path in run.rglob("*") if path.name.endswith(TEMPORARY)]
