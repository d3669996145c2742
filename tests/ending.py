"""How a process ends of a candidate: of a fault in native code, or by a kill; always of the second one."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

KEYS, HOW = "TEST_CRASHING_KEYS", "TEST_CRASHING_HOW"


def end_with_the_second(key: str) -> None:
    """Ends the process where `key` is the second that was ever asked for.

    The environment names the file that these are kept in, and how the process ends: "abort", "segfault", "kill".
    """
    path = Path(os.environ[KEYS])
    keys = path.read_text().split() if path.exists() else []
    if key not in keys:
        keys.append(key)
        path.write_text("\n".join(keys))
    if keys.index(key) == 1:
        match os.environ[HOW]:
            case "abort":
                os.abort()
            case "segfault":
                ctypes.string_at(0)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
