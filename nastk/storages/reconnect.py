"""Waits for a storage that is away for a while: a search of days outlives a restart of its database."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from optuna.storages import BaseStorage

PAUSE_SECONDS = 1.0
# What Optuna's cache and heartbeats call besides the methods of every storage.
OF_THE_DATABASE = ("_create_new_trial", "_set_trial_param", "_get_trials", "_get_stale_trial_ids", "record_heartbeat")


def be_patient(storage: BaseStorage, is_away: Callable[[Exception], bool], seconds: int, where: str) -> None:
    """Has each call of a storage tried again while it is away.

    A call may be carried out twice, where the connection broke before the answer. A second new trial is one that its
    driver does not know: `SharedStudy` finds it; what is written twice is the same; a second end of a trial is refused.

    Args:
        storage: whose methods are replaced.
        is_away: whether an exception says so.
        seconds: how long to try; then the exception is raised.
        where: the storage, for the message.
    """
    away = threading.Event()  # said once, whichever threads wait
    names = [name for name in dir(BaseStorage) if not name.startswith("_")]
    for name in (*names, *OF_THE_DATABASE):
        call = getattr(storage, name, None)
        if callable(call):
            setattr(storage, name, _patient(call, is_away, seconds, where, away))


def _patient(
    call: Callable[..., Any], is_away: Callable[[Exception], bool], seconds: int, where: str, away: threading.Event
) -> Any:
    @functools.wraps(call)
    def patient(*given: Any, **named: Any) -> Any:
        start = None
        while True:
            try:
                answer = call(*given, **named)
                away.clear()
                return answer
            except Exception as error:
                if not is_away(error):
                    raise
                if start is None:
                    start = time.monotonic()
                if not away.is_set():
                    away.set()
                    print(f"nastk: {where} does not answer; trying again for {seconds} s", file=sys.stderr, flush=True)
                if time.monotonic() - start > seconds:
                    raise
                time.sleep(PAUSE_SECONDS)

    return patient
