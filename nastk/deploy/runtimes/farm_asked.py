"""Asks machines at once what they are, and waits for none that hangs once it is not wanted any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from nastk.deploy.runtimes.host_lock import LOOK_AGAIN_SECONDS
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_shell import end_there
from nastk.errors import UserError


def asked_at_once(
    hosts: Sequence[str], ask: Callable[[str], RemoteResult]
) -> tuple[dict[str, RemoteResult], dict[str, UserError]]:
    """Returns by host, in order, what the machines say of themselves, and of the others why they say nothing."""
    pool = ThreadPoolExecutor(len(hosts))
    asked = {host: pool.submit(ask, host) for host in hosts}
    try:
        wait(asked.values())
    finally:  # Ctrl-C does not wait for a machine that hangs
        pool.shutdown(wait=False, cancel_futures=True)
        while wait(asked.values(), LOOK_AGAIN_SECONDS).not_done:
            end_there(hosts)
    said: dict[str, RemoteResult] = {}
    silent: dict[str, UserError] = {}
    for host, future in asked.items():
        try:
            said[host] = future.result()
        except UserError as error:
            silent[host] = error
    return said, silent
