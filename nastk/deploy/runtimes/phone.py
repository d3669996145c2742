"""An Android phone over adb: which one is meant, a folder of our own on it, files into it, commands in it."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nastk.deploy.runtimes.remote_shell import HostFailed, clean
from nastk.deploy.runtimes.silenced import silenced
from nastk.errors import UserError, unknown

if TYPE_CHECKING:
    from adbutils import AdbDevice

READY = "device"
# What can be done about a phone in another state; adb's names (packages/modules/adb, adb.cpp, to_string).
STATES = {
    "unauthorized": "unauthorized: allow USB debugging on its screen",
    "authorizing": "not authorized yet: allow USB debugging on its screen",
    "offline": "offline: plug it in again, or adb reconnect offline",
    "no": "not open to this user: adb devices says which udev rule it needs",
}
PLACE = "/data/local/tmp"  # the one folder from which the shell's user may run programs
FOLDER = re.compile(re.escape(PLACE) + r"/nastk\.[A-Za-z0-9]+")
END = "nastk-exit:"
# Holds the number of a process as long as it runs: one that was given up is ended.
RUNNING = "running"
ASK_SECONDS = 30.0


class PhoneLost(HostFailed):
    """A phone that was there no longer answers."""


@dataclass(frozen=True)
class Listed:
    """A line of `adb devices`: the name of a phone, and its state."""

    serial: str
    state: str


@dataclass(frozen=True)
class Phone:
    """A phone that answers.

    Attributes:
        serial: adb's name of it.
        device: of adbutils.
    """

    serial: str
    device: AdbDevice

    def run(self, command: str, seconds: float = ASK_SECONDS) -> tuple[str, int]:
        """Runs a shell command there; returns all that it printed, and its exit code.

        Raises:
            PhoneLost: the phone does not answer to the end.
        """
        try:
            said = self.device.shell(f"({command}\n) 2>&1; echo {END}$?", timeout=seconds, rstrip=False)
        except _timeouts():
            raise PhoneLost(
                f"adb {self.serial}: no answer within {seconds:.0f} s; target.timeout=SECONDS allows more"
            ) from None
        except _errors() as error:
            raise self._lost(error) from None
        printed, mark, code = str(said).rpartition(END)
        if not mark or not code.strip().isdigit():
            raise PhoneLost(f"adb {self.serial}: stopped answering; was it unplugged? {RESUME}")
        return printed, int(code)

    def push(self, content: bytes, path: str, mode: int = 0o644) -> None:
        """Copies a file there; raises PhoneLost where it does not arrive whole."""
        try:
            self.device.sync.push(content, path, mode, check=True)
        except _errors() as error:
            raise self._lost(error) from None

    @contextlib.contextmanager
    def folder(self, files: Mapping[str, bytes], program: str) -> Iterator[str]:
        """Makes a folder there with these files, one of which is a program; removes it with all that came to be in it.

        Raises:
            PhoneLost: the phone is gone; the folder is then left there.
            UserError: no folder can be made.
        """
        said, code = self.run(f"mktemp -d {PLACE}/nastk.XXXXXX")
        path = said.strip()
        if code or not FOLDER.fullmatch(path):
            raise UserError(f"adb {self.serial}: no folder can be made in {PLACE} ({clean(said) or 'no reason given'})")
        try:
            for name, content in files.items():
                self.push(content, f"{path}/{name}", 0o755 if name == program else 0o644)
            yield path
        finally:
            with contextlib.suppress(PhoneLost):
                self.run(f"kill -9 $(cat {path}/{RUNNING} 2>/dev/null) 2>/dev/null; rm -rf {path}")

    def _lost(self, error: Exception) -> PhoneLost:
        said = clean(str(error)) or type(error).__name__
        return PhoneLost(f"adb {self.serial}: does not answer ({said}); was it unplugged? {RESUME}")


RESUME = "the same command goes on when it is back"


def open_phone(serial: str | None) -> Phone:
    """Returns the phone of that name, or the only one.

    Raises:
        UserError: adbutils is not installed, no adb server can be started, or `chosen` refuses.
    """
    try:
        import adbutils
    except ImportError:
        raise UserError("target adb: needs adbutils, not installed; pip install 'nastk[adb]'") from None
    try:
        with silenced():  # adb says that it starts its server
            client = adbutils.AdbClient()
            listed = [Listed(one.serial, one.state) for one in client.list()]
    except _errors() as error:
        raise UserError(f"adb: no server can be reached or started ({clean(str(error))}); try adb devices") from None
    name = chosen(listed, serial)
    return Phone(name, client.device(serial=name))


def chosen(listed: Sequence[Listed], serial: str | None) -> str:
    """Returns the name of the phone that is meant.

    Raises:
        UserError: there is none, or several and none is named, or none or two of that name, or it is not ready.
    """
    names = [one.serial for one in listed]
    if not listed:
        wanted = "" if serial is None else f" ({serial} is wanted)"
        raise UserError(
            f"adb: no phone is attached{wanted}; plug one in with USB debugging on, or adb connect ADDRESS:PORT"
        )
    if serial is None and len(set(names)) > 1:
        raise UserError(f"adb: {len(names)} phones are attached, target.serial=NAME says which: {', '.join(names)}")
    if serial is not None and serial not in names:
        raise unknown("phone in target.serial", serial, names)
    found = [one for one in listed if serial in (None, one.serial)]
    if len(found) > 1:
        raise UserError(
            f"adb: {len(found)} phones are called {found[0].serial}; unplug one, or reach it by "
            "adb connect ADDRESS:PORT"
        )
    if found[0].state != READY:
        what = STATES.get(found[0].state, f"in state {found[0].state!r}, expected 'device'")
        raise UserError(f"adb {found[0].serial}: {what}")
    return found[0].serial


def _timeouts() -> tuple[Any, ...]:
    from adbutils import AdbTimeout

    return AdbTimeout, TimeoutError


def _errors() -> tuple[Any, ...]:
    """What adbutils raises: its own, those of sockets, and, of an answer that is cut short, what reading it makes."""
    from adbutils import AdbError

    return AdbError, OSError, EOFError, ValueError, subprocess.SubprocessError
