"""What only the main thread may do, for threads that measure candidates: it does so while it waits for one of them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

Result = TypeVar("Result")
Around = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class _Errand:
    call: Callable[[], Any]
    around: Around
    future: Future[Any] = field(default_factory=Future)

    def run(self) -> None:
        try:
            with self.around():
                self.future.set_result(self.call())
        except BaseException as error:
            self.future.set_exception(error if isinstance(error, Exception) else CancelledError())
            if not isinstance(error, Exception):  # Ctrl-C is the main thread's
                raise


class Errands:
    """Calls of threads that have said that they send them: made by the thread that serves, while they wait."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Errand | None] = queue.SimpleQueue()
        self._senders: dict[int, Around | None] = {}  # None: it is refused
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def sent(self, around: Around) -> Iterator[None]:
        """In this block, calls of this thread are sent; each is made in the block that `around` opens."""
        with self._guard:
            self._senders[threading.get_ident()] = around
        try:
            yield
        finally:
            with self._guard:
                del self._senders[threading.get_ident()]

    def run(self, call: Callable[[], Result]) -> Result:
        """Returns what a call returns, made here or, from a thread that sends, where they are served."""
        sender = threading.get_ident()
        if sender not in self._senders:
            return call()
        with self._guard:
            around = self._senders[sender]
            if around is None:
                raise CancelledError
            errand = _Errand(call, around)
            self._queue.put(errand)
        result: Result = errand.future.result()
        return result

    def wake(self, *_: object) -> None:
        """Has `serve` return, though there be nothing to do."""
        self._queue.put(None)

    def serve(self) -> None:
        """Waits for one errand, or for `wake`, and does it."""
        errand = self._queue.get()
        if errand is not None:
            errand.run()

    def refuse(self) -> None:
        """Has those that wait for an errand raise CancelledError, and those that will ask in blocks they are in."""
        with self._guard, contextlib.suppress(queue.Empty):
            self._senders.update(dict.fromkeys(list(self._senders)))
            while True:
                errand = self._queue.get_nowait()
                if errand is not None:
                    errand.future.set_exception(CancelledError())
