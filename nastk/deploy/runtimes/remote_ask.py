"""Has another machine time files: the measuring script goes there with them, and what it answers is checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nastk.deploy.runtimes import remote_machine, remote_measure, remote_runtimes
from nastk.deploy.runtimes.remote_measure import PLAN
from nastk.deploy.runtimes.remote_result import RemoteResult, read_result
from nastk.deploy.runtimes.remote_shell import run_there
from nastk.deploy.runtimes.session import allocation_errors_named
from nastk.errors import UserError

PROGRAM, PACKAGE = "measure.py", "there"
LAUNCHER = f"""import pathlib, sys
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(folder))
from {PACKAGE}.remote_measure import main
main(folder)
"""
PARTS = tuple(Path(str(part.__file__)) for part in (remote_measure, remote_machine, remote_runtimes))


@dataclass(frozen=True)
class Conditions:
    """Under which another machine times files.

    Attributes:
        python: what Python is called there.
        runtime: the package that runs the files.
        provider: of ONNX Runtime.
        batch: images at a time.
        threads: that compute together, 0 for all cores there.
        timeout: seconds that all but the measuring may take.
        version: of the runtime that is expected, None for any.
    """

    python: str
    runtime: str
    provider: str
    batch: int
    threads: int
    timeout: int
    version: str | None = None


def plan_of(
    how: Conditions,
    models: Mapping[str, bytes],
    *,
    seconds: float = 0.0,
    runs: int = 0,
    quick: bool = False,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Returns what the measuring script is told: what to time, and how.

    Args:
        how: the conditions.
        models: content by name.
        seconds: of measuring each.
        runs: of each at least, where not `quick`.
        quick: until the median is known, as a candidate of a search is timed.
        settings: of OpenVINO, by name.
    """
    return {
        "files": {name: hashlib.sha256(model).hexdigest() for name, model in models.items()},
        "runtime": how.runtime,
        "provider": how.provider,
        "settings": {name: dict(one) for name, one in (settings or {}).items()},
        "batch": how.batch,
        "threads": how.threads,
        "runs": runs,
        "seconds": seconds,
        "quick": quick,
        "timeout": how.timeout + 2 * seconds * len(models),
    }


def sent_files(plan: Mapping[str, Any], models: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns all that is copied to the other machine, by name."""
    program = {f"{PACKAGE}/{part.name}": part.read_bytes() for part in PARTS}
    return {PROGRAM: LAUNCHER.encode(), **program, PLAN: json.dumps(plan).encode(), **models}


def ask(
    host: str,
    how: Conditions,
    models: Mapping[str, bytes],
    *,
    seconds: float = 0.0,
    runs: int = 0,
    quick: bool = False,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> RemoteResult:
    """Returns what a machine measured; see `plan_of`. Without models, what it is.

    Raises:
        HostFailed: it does not do its part.
        UserError: it cannot run a file, has another version than the one that is set, or is emulated, so that what it
            measures is of no use.
        MemoryError: it has not enough for a file.
    """
    plan = plan_of(how, models, seconds=seconds, runs=runs, quick=quick, settings=settings)
    with allocation_errors_named():
        printed = run_there(host, how.python, PROGRAM, sent_files(plan, models), plan["timeout"])
        answer = read_result(host, printed, models, quick, how.runtime)
    emulated = answer.machine["emulated"]
    if models and emulated is not None:
        raise UserError(why_emulated(host, emulated))
    found, name = answer.versions[how.runtime], remote_runtimes.RUNTIMES[how.runtime][0]
    if how.version is not None and found != how.version:
        raise UserError(f"remote {host}: runs {name} {found}, target.onnxruntime={how.version} is set")
    return answer


def why_emulated(host: str, how: object) -> str:
    """Returns in one line why a machine's times are not used."""
    return f"remote {host}: is emulated ({how}); its times are those of no processor"
