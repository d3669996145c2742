"""Has trtexec build the engines of ONNX files and time them; sent to another machine beside `remote_measure`.

Python 3.8 and trtexec of TensorRT 10 or 11. An engine is tied to its GPU and to the version of TensorRT, so it is built
there, and kept in ~/.cache/nastk/engines: the same file is not built twice. What trtexec prints and exports is as in
samples/common/sampleReporting.cpp and logging.h of NVIDIA/TensorRT, tags v10.16 and v11.1.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from .remote_machine import gpu
from .remote_runtimes import CannotMeasure, CannotRun, HostCannot

TENSORRT, PROVIDER = "tensorrt", "TensorRT"
OLDEST = 10
USUAL = ("trtexec", "/usr/src/tensorrt/bin/trtexec")
LEAST_RUNS, WARMUP_MS = 10, 200
MOST_ENGINES = 32  # that are kept, those that were used last
BANNER = re.compile(r"&&&& RUNNING TensorRT\.trtexec \[TensorRT v(\d+)\]")
PASSED = "&&&& PASSED TensorRT.trtexec"
DEVICE = re.compile(r"\] Selected Device: (.+)")
LATENCY = re.compile(r"\] Latency: min = \S+ ms, max = \S+ ms, mean = \S+ ms, median = (\S+) ms")
# "[06/13/2025-19:41:36] [E] [TRT] parsers/onnx/ModelImporter.cpp:961: " stands before what is wrong.
WRONG = re.compile(r"^(?:\[[^\]]*\] )?\[[EF]\] (?:\[TRT\] )?(?:\S+\.(?:cpp|h|hpp):\d+: )?(.*)$")
LEVEL = re.compile(r"^\[[^\]]*\] \[[A-Z]\]")
AGREE = 0.001  # trtexec prints and exports six digits


class Engines:
    """The engines of a plan's files.

    Args:
        folder: with the files, which is removed afterwards.
        plan: see `remote_ask.plan_of`; a file's settings are the options of trtexec that "build" and "time" it.

    Attributes:
        version: of TensorRT.
        gpu: that it runs on.

    Raises:
        CannotMeasure: there is no trtexec, or one that is too old.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self._folder, self._plan = folder, plan
        self._ends = time.monotonic() + plan["timeout"]
        self._trtexec = _trtexec(plan["trtexec"])
        self.gpu = self._told_gpu = gpu()
        self.version = self._checked_version()
        self._cache = _cache(folder)
        self._kept = {}  # type: dict[str, tuple[Path, bool]]
        for name in plan["files"]:
            self._kept[name] = self._engine(name, anew=False)

    def repeats(self, count: int) -> list[list[list[int]]]:
        """Returns the nanoseconds of each file's runs, so many repeats of each; the files take turns."""
        least = max(LEAST_RUNS, -(-self._plan["runs"] // count))
        found: list[list[list[int]]] = [[] for _ in self._kept]
        for _ in range(count):
            for place, name in enumerate(self._plan["files"]):
                found[place].append(self._timed(name, least, self._plan["seconds"] / count))
        return found

    def _timed(self, name: str, least: int, seconds: float) -> list[int]:
        """Times an engine; one that was kept and cannot be run any more, after a new driver say, is built anew."""
        engine, before = self._kept[name]
        try:
            return self._times(engine, name, least, seconds)
        except CannotMeasure:
            if not before:
                raise
        self._kept[name] = self._engine(name, anew=True)
        return self._times(self._kept[name][0], name, least, seconds)

    def _times(self, engine: Path, name: str, least: int, seconds: float) -> list[int]:
        exported = self._folder / "times.json"
        length = [f"--warmUp={WARMUP_MS}", f"--duration={seconds:g}", f"--iterations={least}"]
        options = [*self._plan["settings"][name]["time"], *length, f"--exportTimes={exported}"]
        said = self._run([f"--loadEngine={engine}", *options])
        printed = LATENCY.search(said)
        try:
            times = [round(run["latencyMs"] * 1e6) for run in json.loads(exported.read_text())]
            median = statistics.median(times)
            exported.unlink()
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            raise HostCannot("trtexec exported no times of its runs, its output is cut short") from None
        if printed is None:
            raise HostCannot("trtexec printed no latencies, its output is cut short")
        if len(times) < least or abs(float(printed.group(1)) * 1e6 - median) > AGREE * median + 1:
            raise HostCannot(f"trtexec printed a median of {printed.group(1)} ms, its runs have {median / 1e6:.6g} ms")
        return times

    def _engine(self, name: str, anew: bool) -> tuple[Path, bool]:
        """Returns where the engine of a file lies, and whether it was built before."""
        model, options = self._folder / name, self._plan["settings"][name]["build"]
        told = [self._plan["files"][name], options, self.version, self._told_gpu]
        kept = self._cache / (hashlib.sha256(json.dumps(told).encode()).hexdigest() + ".engine")
        if kept.is_file() and not anew:
            os.utime(str(kept))
            return kept, True
        made = self._folder / (name + ".engine")
        timings = f"--timingCacheFile={self._cache / (self.version + '.timing')}"
        self._run([f"--onnx={model}", f"--saveEngine={made}", *options, timings, "--skipInference"])
        if not made.is_file():
            raise HostCannot("trtexec says that it built an engine and wrote none")
        return (kept if _moved(made, kept) else made), False

    def _checked_version(self) -> str:
        said = self._run(["--help"], passes=False)
        found = BANNER.search(said)
        if found is None:
            raise CannotMeasure(f"{self._trtexec} does not say which TensorRT it is of ({_reason(said)})")
        number = int(found.group(1))  # 101600 is 10.16.0, and 8601 is 8.6.1
        major, rest = divmod(number, 10_000 if number >= 100_000 else 1000)
        version = f"{major}.{rest // 100}.{rest % 100}"
        if major < OLDEST:
            raise CannotMeasure(f"TensorRT {version} is too old, expected {OLDEST} or later ({self._trtexec})")
        return version

    def _run(self, options: list[str], passes: bool = True) -> str:
        """Returns what trtexec printed; raises CannotMeasure where it refuses, HostCannot where it breaks off."""
        left = self._ends - time.monotonic() - 1
        try:
            done = subprocess.run(
                [self._trtexec, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(self._trtexec),
                timeout=max(left, 0.1),
                check=False,
            )
        except OSError as error:
            raise CannotMeasure(f"{self._trtexec} cannot be started ({error.strerror})") from None
        except subprocess.TimeoutExpired:
            raise HostCannot(f"trtexec was not done in {left:.0f} s; target.timeout=SECONDS allows more") from None
        said = done.stdout.decode(errors="replace")
        device = DEVICE.search(said)
        self.gpu = device.group(1).strip() if device and passes else self.gpu
        if passes and done.returncode > 0:
            raise CannotRun(f"TensorRT {self.version}: trtexec fails ({_reason(said)})")
        if passes and (done.returncode or PASSED not in said):
            how = f"was ended by signal {-done.returncode}" if done.returncode else "did not say that it passed"
            raise HostCannot(f"TensorRT {self.version}: trtexec {how}, its output is cut short ({_reason(said)})")
        return said


def _trtexec(wanted: Any) -> str:
    named = wanted or os.environ.get("TRTEXEC")
    for name in [named] if named else USUAL:
        found = shutil.which(str(Path(name).expanduser()) if "/" in name else name)
        if found:
            return found
    if named:
        raise CannotMeasure(f"there is no program {named!r}; target.trtexec=PATH names where trtexec is")
    raise CannotMeasure(f"no trtexec in PATH and none at {USUAL[1]}; target.trtexec=PATH names where it is")


def _environment(program: str) -> dict[str, str]:
    """Returns the environment with the libraries that an unpacked TensorRT has beside its programs."""
    beside = Path(program).resolve().parent.parent / "lib"
    places = [os.environ.get("LD_LIBRARY_PATH"), str(beside) if beside.is_dir() else None]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(place for place in places if place)}


def _cache(otherwise: Path) -> Path:
    """Returns the folder of the engines, with room for another; where there can be none, another folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nastk" / "engines"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = sorted(folder.glob("*.engine"), key=lambda path: path.stat().st_mtime)
        for old in kept[: -MOST_ENGINES + 1]:
            old.unlink()
    except OSError:
        return otherwise
    return folder if os.access(str(folder), os.W_OK) else otherwise


def _moved(made: Path, kept: Path) -> bool:
    """Moves an engine to where it is kept, whole or not at all; says whether there was room."""
    part = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        shutil.copyfile(str(made), str(part))
        part.replace(kept)
    except OSError:
        if part.exists():  # what there was no room for takes none
            part.unlink()
        return False
    made.unlink()
    return True


def _reason(said: str) -> str:
    """Returns in one line what trtexec says is wrong: its first error and what its ONNX parser says of the node."""
    lines = said.splitlines()
    wrong = [(place, match.group(1)) for place, match in enumerate(map(WRONG.match, lines)) if match]
    wrong = [(place, text) for place, text in wrong if text and not text.startswith("--- ")]
    if not wrong:
        told = [line for line in (LEVEL.sub("", one).strip() for one in lines) if line]
        return told[-1][:200] if told else "it printed nothing"
    first = wrong[0][1]
    node = next(((place, text) for place, text in wrong if text.startswith("ERROR: ")), None)
    if node is None or node[1] == first:
        return first[:200]
    goes_on = lines[node[0] + 1].strip() if node[0] + 1 < len(lines) and not WRONG.match(lines[node[0] + 1]) else ""
    return f"{first} {goes_on or node[1]}"[:280]
