"""Standard error while a command is shown: whole lines, visible, from any thread, and none in a forked process."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading

import pytest
from tqdm import tqdm

from nastk import events
from nastk.events import heard
from nastk.live.stream import lines_to


def test_lines_are_handed_on_whole_and_a_bar_as_it_was_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, found = io.StringIO(), list[str]()
    monkeypatch.setattr(sys, "stderr", stream)
    with lines_to(found.append):
        kept = sys.stderr
        print("one \x1b[31m", "line", file=sys.stderr)
        print("half", end="", file=sys.stderr)
        print(" and half", file=sys.stderr)
        assert not kept.isatty() and kept.writable()
        for _ in tqdm(range(3), desc="bar", ascii=True, mininterval=0):
            pass
        print("not ended", end="", file=sys.stderr)
    assert found[:2] == [r"one \x1b[31m line", "half and half"] and found[-1] == "not ended"
    assert len(found) == 4 and found[2].startswith("bar: 100%")
    assert sys.stderr is stream and not stream.getvalue()
    print("afterwards", file=kept)
    assert stream.getvalue() == "afterwards\n"


def test_a_forked_process_writes_to_what_was_there_and_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with lines_to(lambda line: None), heard(lambda event: None):
        child = os.fork()
        if not child:
            os._exit(7 if sys.stderr is stream and not events._listeners else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert sys.stderr is not stream and len(events._listeners) == 1


def test_a_forked_process_writes_to_a_kept_stream_whose_lock_a_thread_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inside, free = io.StringIO(), threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "stderr", stream)

    def line(text: str) -> None:
        inside.set()
        free.wait(10)

    with lines_to(line):
        kept = sys.stderr
        thread = threading.Thread(target=print, args=("shown",), kwargs={"file": kept})
        thread.start()
        assert inside.wait(10)
        child = os.fork()
        if not child:
            signal.alarm(5)
            print("from a worker", file=kept)
            os._exit(7 if stream.getvalue() == "from a worker\n" else 1)
        status = os.waitpid(child, 0)[1]
        free.set()
        thread.join()
    assert os.waitstatus_to_exitcode(status) == 7
