"""Runs the measuring script on another machine over SSH: files there, an answer back, nothing left behind."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Collection, Mapping
from typing import IO

from nastk.errors import UserError

SSH = "NASTK_SSH"
CONNECT_SECONDS = 10
OPTIONS = {
    "BatchMode": "yes",  # no question, no password
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
}
MAX_ANSWER = 2**26
HOST = re.compile(
    r"([A-Za-z0-9_.+][A-Za-z0-9_.+-]*@)?([A-Za-z0-9_.][A-Za-z0-9_.-]*|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+(%\w+)?)"
)
NO_PYTHON, NO_FOLDER, NO_TAR = 96, 97, 98
SSH_FAILED = 255
SIGNALLED = 128  # and the signal's number is how a shell says that a program was ended
# What ends the measuring from outside.
TOLD_TO_END = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGALRM, signal.SIGTERM})
SCRIPT = """umask 077
command -v {python} >/dev/null || exit {no_python}
folder=$(mktemp -d) || exit {no_folder}
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
tar -xf - -C "$folder" || exit {no_tar}
{python} "$folder/{program}" "$folder"
"""


_running: dict[subprocess.Popen[bytes], str] = {}  # what was started and has not ended, and on which host


class HostFailed(UserError):  # noqa: N818 - what happened, as in the message
    """A machine did not do its part: another one may."""


class FileSuspected(HostFailed):
    """A machine did not do its part, and the file may be why: it refused it, or measuring it was ended by a signal."""


def check_host(host: str) -> None:
    """Raises UserError where a host is none that SSH can be given: what begins with - would be an option of it."""
    if not HOST.fullmatch(host):
        raise UserError(f"target: host={host!r}, expected a name or address as ssh takes it, e.g. user@board")


def run_there(host: str, python: str, program: str, files: Mapping[str, bytes], seconds: float) -> str:
    """Copies files into a folder of their own on `host`, runs one of them with Python, and removes the folder.

    The command is `ssh`, or what the environment variable NASTK_SSH holds ("ssh -p 2222 -i key"); no setting of a run
    folder, which may come from elsewhere, can name a command.

    Args:
        host: as `check_host` wants it.
        python: what Python is called there.
        program: name of the file that is run; its argument is the folder.
        files: contents by name.
        seconds: after which it is given up.

    Returns:
        What it printed, at most 64 MB; to be trusted no more than the host is.

    Raises:
        HostFailed: SSH does not get there, there is no Python, or no answer in time.
        FileSuspected: a signal ended the program, as where memory runs out.
        UserError: a host that is none, or no ssh here.
    """
    check_host(host)
    command = [*shlex.split(os.environ.get(SSH) or "ssh"), "-T"]
    command += [part for name, value in OPTIONS.items() for part in ("-o", f"{name}={value}")]
    script = SCRIPT.format(
        python=shlex.quote(python), program=program, no_python=NO_PYTHON, no_folder=NO_FOLDER, no_tar=NO_TAR
    )
    # Whatever the login shell is, fish or csh, sh reads the script.
    command += ["--", host, f"exec sh -c {shlex.quote(script)}"]
    # stderr is a file: a connection that ssh keeps open for later ones (ControlPersist) would hold a pipe open too.
    with tempfile.TemporaryFile() as sent, tempfile.TemporaryFile() as said:
        _pack(sent, files)
        output, code = _run(command, sent, said, host, seconds)
        said.seek(0)
        last = (clean(said.read(2**16).decode(errors="replace")).splitlines() or [""])[-1]
    if code:
        failed = FileSuspected if _ended_by(code) else HostFailed
        raise failed(f"remote {host}: {_reason(code, python, last)}")
    return output.decode(errors="replace")


def end_there(hosts: Collection[str]) -> None:
    """Ends what `run_there` runs on these machines now, in other threads, where it raises HostFailed."""
    for process, host in list(_running.items()):
        if host in hosts:
            _kill(process)


def clean(text: str) -> str:
    """Returns text of another machine as a terminal can bear it: printable lines of at most 300 characters."""
    lines = ("".join(sign for sign in line if sign.isprintable())[:300].strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _pack(target: IO[bytes], files: Mapping[str, bytes]) -> None:
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    target.seek(0)


def _run(command: list[str], sent: IO[bytes], said: IO[bytes], host: str, seconds: float) -> tuple[bytes, int]:
    late = threading.Event()
    try:
        process = subprocess.Popen(command, stdin=sent, stdout=subprocess.PIPE, stderr=said, start_new_session=True)
    except OSError as error:
        raise UserError(f"remote {host}: {command[0]!r} cannot be started ({error.strerror})") from None

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(seconds, end)
    timer.start()
    _running[process] = host
    try:
        assert process.stdout is not None
        output = process.stdout.read(MAX_ANSWER + 1)
        if len(output) > MAX_ANSWER:
            raise HostFailed(f"remote {host}: an answer of more than {MAX_ANSWER:,} bytes, expected a measurement")
        code = process.wait()
    finally:
        timer.cancel()
        del _running[process]
        _kill(process)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    if late.is_set():
        raise HostFailed(f"remote {host}: no answer within {seconds:.0f} s; target.timeout=SECONDS allows more")
    return output, code


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _ended_by(code: int) -> str | None:
    """Returns the signal that a program was ended by, where it may have been its own doing, by its exit code."""
    number = code - SIGNALLED
    if number not in set(signal.Signals) - TOLD_TO_END:
        return None
    return signal.Signals(number).name


def _reason(code: int, python: str, last: str) -> str:
    said = f" ({last})" if last else ""
    if code == SSH_FAILED:
        return f"SSH does not get there{said}; try ssh by hand, it must ask for no password"
    if code == NO_PYTHON:
        return f"has no {python!r}; target.python=PATH names another"
    if code == NO_FOLDER:
        return f"no folder can be made there{said}"
    if code == NO_TAR:
        return f"the files cannot be unpacked there{said}"
    if (name := _ended_by(code)) is not None:
        return f"measuring was ended by {name}{', as where memory runs out' * (name == 'SIGKILL')}{said}"
    return f"measuring ended with exit code {code}{said}"
