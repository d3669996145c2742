"""Signals stop the process they are meant for, when it lets them; tests/faults stops real commands."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

from nastk.cli.interrupts import command_to_go_on

BEGIN = """
    import os, signal, sys, time
    from nastk.cli.interrupts import goes_on_with, stoppable
    def send(number, process=None):
        os.kill(process or os.getpid(), number)
        time.sleep(0.1)
"""


def _run(code: str) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(BEGIN) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_the_command_has_what_the_user_gave_and_what_is_missing_quoted() -> None:
    said = _run("""
        from nastk.cli.interrupts import command_to_go_on
        with stoppable(str):
            goes_on_with(run="runs/a b", runs="other")
            print(command_to_go_on("search", ["+space=nasnet", "runs=runs"]))
    """).stdout
    assert said == "python -m nastk.search +space=nasnet runs=runs 'run=runs/a b'\n"
    assert command_to_go_on("transfer", ["run=a"]) == "python -m nastk.transfer run=a"


def test_a_signal_is_an_orderly_end_with_its_code() -> None:
    ended = _run("""
        import atexit
        atexit.register(print, "exit function")
        with stoppable(lambda: "it"):
            try:
                send(signal.SIGTERM)
            finally:
                print("put away")
    """)
    assert ended.returncode == 128 + signal.SIGTERM
    assert ended.stdout == "put away\nexit function\n"
    assert ended.stderr == "\nstopped; nothing finished is lost. To go on: it\n"


def test_a_signal_that_a_library_makes_a_normal_exit_of_is_a_stop_all_the_same() -> None:
    ended = _run("""
        with stoppable(lambda: "it"):
            signal.signal(signal.SIGTERM, lambda number, frame: None)
            send(signal.SIGTERM)
            sys.exit(0)
    """)
    assert ended.returncode == 128 + signal.SIGTERM


def test_a_signal_that_comes_while_the_block_is_prepared_is_heard_in_it() -> None:
    ended = _run("""
        import threading
        start = threading.Thread.start
        def interrupted(thread):
            send(signal.SIGTERM)
            start(thread)
        threading.Thread.start = interrupted
        with stoppable(lambda: "it"):
            time.sleep(10)
    """)
    assert ended.returncode == 128 + signal.SIGTERM
    assert ended.stderr == "\nstopped; nothing finished is lost. To go on: it\n"


def test_a_forked_child_has_signals_of_its_own() -> None:
    ended = _run("""
        with stoppable(lambda: "it"):
            child = os.fork()
            if child == 0:
                time.sleep(60)
            time.sleep(0.3)
            send(signal.SIGTERM, child)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    """)
    assert (ended.returncode, ended.stdout) == (0, f"{-signal.SIGTERM}\n")


def test_what_the_shell_told_to_ignore_ctrl_c_ignores_it() -> None:
    ended = _run("""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with stoppable(lambda: "it"):
            send(signal.SIGINT)
            print("on")
    """)
    assert (ended.returncode, ended.stdout) == (0, "on\n")


def test_a_signal_that_is_put_off_comes_when_it_may() -> None:
    ended = _run("""
        with stoppable(lambda: "it"):
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            send(signal.SIGINT)
            print("started whole", flush=True)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            print("not reached", flush=True)
    """)
    assert (ended.returncode, ended.stdout) == (130, "started whole\n")


def test_afterwards_signals_are_as_before() -> None:
    ended = _run("""
        with stoppable(lambda: "it"):
            pass
        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.set_wakeup_fd(-1))
        send(signal.SIGTERM)
    """)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "True -1\n")
