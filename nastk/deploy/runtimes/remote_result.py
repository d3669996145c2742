"""Reads what the measuring script answered from another machine, believing none of it unchecked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nastk.checks import is_whole
from nastk.deploy.runtimes.remote_measure import MARK, REPEATS
from nastk.deploy.runtimes.remote_shell import FileSuspected, HostFailed, clean
from nastk.deploy.runtimes.remote_trtexec import TENSORRT
from nastk.errors import UserError
from nastk.outside import parse_json

FACTS = (
    *("processor", "features", "architecture", "system", "cores", "governor", "clock_mhz", "load", "temperature_c"),
    *("provider", "gpu", "emulated"),
)
# A day: a run that takes longer is none.
MAX_NANOSECONDS = 86_400 * 10**9
MAX_THREADS = 4096
MAX_FACT = 1e15


@dataclass(frozen=True)
class RemoteResult:
    """A measurement made on another machine.

    Attributes:
        seconds: by file, by repeat, of each run.
        threads: that computed together.
        versions: there, of "python", "numpy" (trtexec needs none) and the runtime, by its package's name.
        machine: what `machine_facts` says, of that machine; None where it does not tell.
        others: processes that wanted to run there meanwhile, their mean; None where it does not tell.
        hot: why it is slower than it could be, None where it does not tell.
        identity: the same for the same machine, whatever it is called; None where it does not tell.
    """

    seconds: Mapping[str, tuple[tuple[float, ...], ...]]
    threads: int
    versions: Mapping[str, str]
    machine: Mapping[str, str | float | None]
    others: float | None = None
    hot: str | None = None
    identity: str | None = None


def read_result(
    host: str, printed: str, files: Collection[str], quick: bool = False, runtime: str = "onnxruntime"
) -> RemoteResult:
    """Returns the result in what a machine printed, whatever its login shell printed before.

    Args:
        host: for messages.
        printed: all of it.
        files: names of those that were to be timed.
        quick: whether one repeat was asked for rather than three.
        runtime: the package that ran them.

    Raises:
        HostFailed: what the machine says is no measurement of these files.
        FileSuspected: it says that it cannot run a file.
        UserError: it says that it cannot measure.
    """
    line, found = _parsed(host, printed)
    if not isinstance(found, dict) or not is_whole(found.get("threads"), 1, MAX_THREADS):
        raise _malformed(host, line)
    times, versions, machine = (found.get(name) for name in ("nanoseconds", "versions", "machine"))
    if not isinstance(times, dict) or set(times) != set(files):
        raise HostFailed(f"remote {host}: timed other files than those asked for, expected {', '.join(files)}")
    _check_times(host, times, 1 if quick else REPEATS)
    named = ("python", runtime) if runtime == TENSORRT else ("python", "numpy", runtime)
    if not isinstance(versions, dict) or not all(isinstance(versions.get(name), str) for name in named):
        raise _malformed(host, line)
    if not isinstance(machine, dict) or not all(_is_plain(machine.get(name)) for name in FACTS):
        raise _malformed(host, line)
    others, *said = (found.get(name) for name in ("others", "hot", "identity"))
    if not _is_plain(others) or isinstance(others, str) or not all(one is None or isinstance(one, str) for one in said):
        raise _malformed(host, line)
    return RemoteResult(
        {name: tuple(tuple(one / 1e9 for one in repeat) for repeat in repeats) for name, repeats in times.items()},
        found["threads"],
        {name: clean(versions[name]) for name in named},
        {name: clean(value) if isinstance(value := machine.get(name), str) else value for name in FACTS},
        others,
        *(one and clean(one) for one in said),
    )


def _parsed(host: str, printed: str) -> tuple[str, Any]:
    """Returns the line with the answer, and what JSON it is; raises UserError where it tells of an error."""
    line = next((line for line in reversed(printed.splitlines()) if line.startswith(MARK)), None)
    if line is None:
        raise HostFailed(f"remote {host}: no measurement in what it printed ({clean(printed[-300:]) or 'nothing'})")
    try:
        found = parse_json(line.removeprefix(MARK), host)
    except UserError:
        raise _malformed(host, line) from None
    if isinstance(found, dict) and isinstance(found.get("error"), str):
        raise UserError(f"remote {host}: {clean(found['error'])}")
    if isinstance(found, dict) and isinstance(found.get("refused"), str):
        raise FileSuspected(f"remote {host}: {clean(found['refused'])}")
    if isinstance(found, dict) and isinstance(found.get("failed"), str):
        raise HostFailed(f"remote {host}: {clean(found['failed'])}")
    return line, found


def _malformed(host: str, line: str) -> HostFailed:
    return HostFailed(f"remote {host}: the answer is malformed: {clean(line[:90])}")


def _check_times(host: str, times: Mapping[str, Any], count: int) -> None:
    for name, repeats in times.items():
        if not _are_repeats(repeats, count):
            raise HostFailed(f"remote {host}: the times of {name} are malformed: {clean(str(repeats)[:60])}")


def _are_repeats(value: Any, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(
            isinstance(repeat, list) and repeat and all(is_whole(one, 1, MAX_NANOSECONDS) for one in repeat)
            for repeat in value
        )
    )


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str) or (isinstance(value, int | float) and abs(value) < MAX_FACT)
