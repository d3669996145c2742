"""A thread that does something from time to time, until its block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def look_again(quiet: float, since: float, act: Callable[[], None]) -> float:
    """Acts where nothing was heard for `quiet` seconds, `since` by now; returns after how many to look again."""
    if since < quiet:
        return quiet - since
    act()
    return quiet


@contextmanager
def beating(act: Callable[[], float]) -> Iterator[None]:
    """Calls `act` in a thread of its own, again after as many seconds as it returns each time; first after those it
    returns when it is called at once.

    The thread sleeps between, a forked process does not have it, and it is gone at the end of the block.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(max(act(), 0.05)):
            pass

    thread = threading.Thread(target=beat, name="nastk-live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
