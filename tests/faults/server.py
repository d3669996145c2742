"""`python -m tests.faults.server`: has everything imported, and forks a process for each command it is asked to run.

A request is a line of JSON on standard input: `entry` and `words` of the command line, its `root` (the run folder),
`environment` and `fault` (see `tests.faults.faulty.begin`), and files: `out` for what it prints, `steps` for how many
it took. The answers are two lines: the process's id, and how it ended.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from nastk.config.build import register_spaces

ENTRIES = ("search", "transfer", "export", "pipeline", "bench", "audit")
PRELOAD = (
    *(f"nastk.{entry}" for entry in ENTRIES),
    *(f"nastk.jobs.{entry}" for entry in ENTRIES),
    *("nastk.controllers", "nastk.evaluators.training", "nastk.evaluators.tabular", "nastk.data.sources"),
    *("nastk.deploy.targets", "nastk.training.transfer", "onnxruntime", "sklearn.datasets", "tests.faults.faulty"),
)


PDEATHSIG = 1


def main() -> None:
    """Serves until standard input ends."""
    _die_with_parent()
    for name in PRELOAD:
        importlib.import_module(name)
    register_spaces()
    gc.freeze()  # else each process walks all of this, which is never freed
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(request)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: dict[str, Any]) -> None:
    from tests.faults.faulty import begin

    _die_with_parent()
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for handle, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(handle, target)
    os.environ.update(request["environment"])
    code, counted = 0, None
    try:
        sys.argv = [f"nastk.{request['entry']}", *request["words"]]
        module = importlib.import_module(f"nastk.{request['entry']}")
        counted = begin(Path(request["root"]), **request["fault"])
        module.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    if counted is not None:
        Path(request["steps"]).write_text(str(counted.steps))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
