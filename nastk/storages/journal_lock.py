"""The lock of a journal: it says whose it is. A dead process's holds nobody up, a living one's is respected."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from optuna.storages.journal import JournalFileOpenLock

from nastk.errors import UserError
from nastk.files import WRITING

GRACE_SECONDS = 30.0  # Optuna's own: no write takes as long
TELL_SECONDS = 2.0
NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)


@dataclass(frozen=True)
class Owner:
    """Whose a lock is.

    Attributes:
        pid: of the process.
        host: the machine's name.
        boot: the kernel's id of this start of the machine, which its containers share; "" where there is none.
    """

    pid: int
    host: str
    boot: str

    @classmethod
    def this(cls) -> Owner:
        """Returns this process."""
        boot = ""
        with contextlib.suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(os.getpid(), platform.node(), boot)

    @classmethod
    def read(cls, handle: int) -> Owner | None:
        """Returns what the lock of an open file says; None where it is not one of these."""
        try:
            found = json.loads(os.read(handle, 4096))
            return cls(int(found["pid"]), str(found["host"]), str(found["boot"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    @property
    def here(self) -> bool:
        """Whether it is, or was, of this machine, whose kernel then knows whether the process lives."""
        here = Owner.this()
        return (self.boot == here.boot != "") or self.host == here.host

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class JournalLock(JournalFileOpenLock):
    """The file that Optuna's locks are, with its owner's name in it.

    The owner also holds it with `flock`, which the system ends with the process, however that ends and wherever the
    file is by then: a lock of this machine that nobody holds so is a dead process's. Programs with Optuna's own locks,
    as optuna-dashboard, keep away from it, and it from theirs, which say nothing: they count as left behind when
    they have not changed for so long as Optuna gives them.

    Args:
        path: of the journal.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path.absolute()))
        self._path = path.absolute().with_name(f"{path.name}.lock")
        self._handle: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock within a block; raises as `acquire`."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def acquire(self) -> bool:
        """Takes the lock; waits while another has it.

        Raises:
            UserError: a living process, or one of another machine, does not let go of it; names it and what to do.
            OSError: it cannot be written.
        """
        start, pause, told, seen = time.monotonic(), 0.001, False, None
        while not self._take():
            found = self._identity()
            if found != seen:
                start, seen = time.monotonic(), found
            waited = time.monotonic() - start
            owner = self._owner_unless_dead(waited)
            if owner is None:
                continue
            if waited > GRACE_SECONDS:
                raise UserError(
                    f"{self._path}: has been the lock of {owner} for {waited:.0f} s; when that process has ended, "
                    "remove this file, then the same command goes on"
                )
            if waited > TELL_SECONDS and not told:
                told = True
                print(f"nastk: {self._path}: waiting for {owner}, which writes", file=sys.stderr, flush=True)
            time.sleep(pause)
            pause = min(2 * pause, 0.1)
        return True

    def release(self) -> None:
        """Lets go of it, where it is this one's still."""
        handle, self._handle = self._handle, None
        if handle is not None:
            try:
                self._remove(handle)
            finally:
                os.close(handle)

    def _take(self) -> bool:
        if self._identity() is not None:
            return False
        self._handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.", suffix=WRITING)
        try:
            try:
                self._sign(self._handle)
                os.link(temporary, self._path)  # at once with its owner's name
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                handle, self._handle = self._handle, None
                os.close(handle)
                self._handle = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
                self._sign(self._handle)
            return True
        except FileExistsError:
            self.release()
            return False
        except BaseException:
            self.release()
            raise
        finally:
            Path(temporary).unlink(missing_ok=True)

    @staticmethod
    def _sign(handle: int) -> None:
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(handle, json.dumps(vars(Owner.this())).encode())

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _owner_unless_dead(self, waited: float) -> str | None:
        """Returns whom to wait for; None where the lock is gone, or was a dead process's and has been removed."""
        try:
            kind = self._path.lstat()
            if not stat.S_ISREG(kind.st_mode):
                return self._of_another_program(kind, waited)
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        try:
            owner = Owner.read(handle)
            if owner is None:
                return self._of_another_program(kind, waited)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever removes it does so with this
            if not owner.here:
                return str(owner)
            self._remove(handle)
            return None
        except OSError:
            return str(owner)
        finally:
            os.close(handle)

    def _of_another_program(self, found: os.stat_result, waited: float) -> str | None:
        if max(waited, time.time() - found.st_mtime) <= GRACE_SECONDS:
            return "another program"
        self._path.unlink(missing_ok=True)
        return None

    def _remove(self, handle: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), self._path.lstat()):
                self._path.unlink()
