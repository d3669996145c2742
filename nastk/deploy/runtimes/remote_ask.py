"""Has another machine time files: the measuring script goes there with them, and what it answers is checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nastk.deploy.runtimes import remote_machine, remote_measure, remote_runtimes, remote_trtexec
from nastk.deploy.runtimes.machine import RUNTIMES
from nastk.deploy.runtimes.remote_measure import PLAN
from nastk.deploy.runtimes.remote_result import RemoteResult, read_result
from nastk.deploy.runtimes.remote_shell import run_there
from nastk.deploy.runtimes.remote_trtexec import TENSORRT
from nastk.deploy.runtimes.session import allocation_errors_named
from nastk.errors import UserError

PROGRAM, PACKAGE = "measure.py", "there"
LAUNCHER = f"""import pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
from {PACKAGE}.remote_measure import main
main(folder)
"""
PARTS = tuple(Path(str(part.__file__)) for part in (remote_measure, remote_machine, remote_runtimes, remote_trtexec))
BUILD_SECONDS = 600  # that building one engine may take
MOST_SECONDS = 86_400.0  # whatever another machine says that it takes


@dataclass(frozen=True)
class Conditions:
    """Under which another machine times files.

    Attributes:
        python: what Python is called there.
        runtime: the package that runs the files.
        provider: of ONNX Runtime; "TensorRT" where trtexec times the files.
        batch: images at a time.
        threads: that compute together, 0 for all cores there.
        timeout: seconds that all but the measuring may take.
        version: of the runtime that is expected, None for any.
        trtexec: what it is called there, None to look for it.
    """

    python: str
    runtime: str
    provider: str
    batch: int
    threads: int
    timeout: int
    version: str | None = None
    trtexec: str | None = None


@dataclass(frozen=True)
class Request:
    """What another machine is to time; nothing, where it is only to say what it is.

    Attributes:
        models: content by name.
        seconds: of measuring each.
        runs: of each at least, where not `quick`.
        quick: until the median is known, as a candidate of a search is timed.
        expected: seconds that all of it is thought to take, where the files were run before.
        settings: of OpenVINO, or options of trtexec, by name.
    """

    models: Mapping[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0
    runs: int = 0
    quick: bool = False
    expected: float = 0.0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def plan_of(how: Conditions, request: Request) -> dict[str, Any]:
    """Returns what the measuring script is told: what to time, and how."""
    a_file = 2 * request.seconds + (BUILD_SECONDS if how.runtime == TENSORRT else 0)
    return {
        "files": {name: hashlib.sha256(model).hexdigest() for name, model in request.models.items()},
        "runtime": how.runtime,
        "provider": how.provider,
        "trtexec": how.trtexec,
        "settings": {name: dict(one) for name, one in request.settings.items()},
        "batch": how.batch,
        "threads": how.threads,
        "runs": request.runs,
        "seconds": request.seconds,
        "quick": request.quick,
        "timeout": how.timeout + max(a_file * len(request.models), min(3 * request.expected, MOST_SECONDS)),
    }


def sent_files(plan: Mapping[str, Any], models: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns all that is copied to the other machine, by name."""
    program = {f"{PACKAGE}/{part.name}": part.read_bytes() for part in PARTS}
    return {PROGRAM: LAUNCHER.encode(), **program, PLAN: json.dumps(plan).encode(), **models}


def ask(host: str, how: Conditions, request: Request) -> RemoteResult:
    """Returns what a machine measured, and what it is.

    Raises:
        HostFailed: it does not do its part.
        FileSuspected: it cannot run a file, or ran out of memory with it.
        UserError: it cannot measure, has fewer cores than threads are wanted, has another version than the one that is
            set, or is emulated, so that what it measures is of no use.
        MemoryError: it has not enough for a file.
    """
    plan = plan_of(how, request)
    with allocation_errors_named(f"remote {host}: "):
        printed = run_there(host, how.python, PROGRAM, sent_files(plan, request.models), plan["timeout"])
        answer = read_result(host, printed, request.models, request.quick, how.runtime)
    emulated = answer.machine["emulated"]
    if request.models and emulated is not None:
        raise UserError(why_emulated(host, emulated))
    cores = answer.machine["cores"]
    if isinstance(cores, int | float) and how.threads > cores:
        raise UserError(f"remote {host}: has {cores:g} cores, target.threads={how.threads} is set; expected no more")
    found, name = answer.versions[how.runtime], RUNTIMES[how.runtime]
    if how.version is not None and found != how.version:
        raise UserError(f"remote {host}: runs {name} {found}, target.onnxruntime={how.version} is set")
    return answer


def why_emulated(host: str, how: object) -> str:
    """Returns in one line why a machine's times are not used."""
    return f"remote {host}: is emulated ({how}); its times are those of no processor"
