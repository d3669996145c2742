"""Starts a Ray of the search's own or joins a cluster, and knows how many candidates it has room for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import joblib

from nastk.errors import UserError
from nastk.executors.ray_start import own_token, short_folder, sigterm_kept, silenced
from nastk.own_modules import VARIABLE

PROBE_SECONDS = 90.0  # with the time to import Ray; it gives up by itself before
CONNECT_SECONDS = 3.0
GIGABYTE = 10**9
NAMES = {"CPU": ("cpus", "CPUs"), "GPU": ("gpus", "GPUs"), "memory": ("memory_gb", "GB of memory")}
SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a notice on every start otherwise
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray keeps to 127.0.0.1 where it thinks that there can be no cluster
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",  # what outlives a killed search looks for it so long, then ends
}


@dataclass(frozen=True)
class Needs:
    """What a candidate takes of a machine while it trains; GPUs may be shared."""

    cpus: float
    gpus: float
    memory_gb: float | None

    @property
    def amounts(self) -> dict[str, float]:
        """How much of each of Ray's resources; those that are not needed are left out."""
        memory = 0.0 if self.memory_gb is None else self.memory_gb * GIGABYTE
        return {name: need for name, need in (("CPU", self.cpus), ("GPU", self.gpus), ("memory", memory)) if need}

    @property
    def options(self) -> dict[str, Any]:
        """The same as Ray's options of an actor."""
        memory = {} if self.memory_gb is None else {"memory": int(self.memory_gb * GIGABYTE)}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, **memory}


def import_ray(**environment: str) -> Any:
    """Returns the module; raises UserError where the extra is not installed."""
    for name, value in {**SILENT, **environment}.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError(
            f"executor=ray: Ray cannot be imported ({error}); pip install 'nastk[ray]', or give executor=processes"
        ) from None
    return ray


@contextlib.contextmanager
def joined(address: str | None) -> Iterator[Any]:
    """Gives the module `ray`, with a Ray to work in for the length of the block.

    Args:
        address: of a cluster: "auto", HOST:PORT or ray://HOST:PORT. None starts one on this machine, which listens to
            this machine only and ends with the block; a Ray that this process is in already is used as it is.

    Raises:
        UserError: Ray is not installed, nothing answers at `address` within 10 seconds, or its versions are others.
    """
    ray = import_ray(**(LOCAL if address is None else {}))
    if address is None and ray.is_initialized():
        yield ray
        return
    with contextlib.ExitStack() as undo:
        if address is None:
            undo.enter_context(own_token())
            folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="nastk-ray-", dir=short_folder()))
            given: dict[str, Any] = {"address": "local", "num_cpus": joblib.cpu_count(), "_temp_dir": folder}
        else:
            _check_answers(address)
            given = {"address": address}
        allowed = os.environ.get(VARIABLE)
        if allowed is not None:
            given["runtime_env"] = {"env_vars": {VARIABLE: allowed}}
        undo.callback(ray.shutdown, **({} if address else {"wait_for_processes": True}))
        undo.enter_context(silenced())
        with sigterm_kept():
            try:
                ray.init(**given, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, ValueError, OSError) as error:
                raise UserError(f"executor.address={address or 'null'}: {_first_lines(str(error))}") from None
        yield ray


def room(ray: Any, needs: Needs, parallel: int | None) -> int:
    """Returns how many candidates can train at once, `parallel` where that is given.

    Raises:
        UserError: one candidate needs more than any machine has, or `parallel` of them more than there is.
    """
    machines = _machines(ray)
    for resource, need in needs.amounts.items():
        most = max((machine.get(resource, 0.0) for machine in machines), default=0.0)
        if need > most:
            raise UserError(
                f"{_asked(resource, need)}: {_there(machines, resource)}, at most {_of(resource, most)} each"
            )
    fits = capacity(ray, needs)
    if parallel is not None and parallel > fits:
        resource, need = min(
            needs.amounts.items(),
            key=lambda pair: sum(_times(machine, *pair) for machine in machines),
        )
        raise UserError(
            f"executor.parallel={parallel} with {_asked(resource, need)}: {_there(machines, resource)}, "
            f"room for {fits} candidates at once"
        )
    return parallel or fits


def capacity(ray: Any, needs: Needs) -> int:
    """Returns how many candidates the machines that are there now have room for."""
    return sum(min(_times(machine, *need) for need in needs.amounts.items()) for machine in _machines(ray))


def trains_here(ray: Any, address: str | None) -> bool:
    """Returns whether candidates train on this machine too, and so disturb what is timed on it."""
    if address is not None and address.startswith("ray://"):
        return False
    here = ray.get_runtime_context().get_node_id()
    return any(node["Alive"] and node["NodeID"] == here and node["Resources"].get("CPU", 0) for node in ray.nodes())


def _machines(ray: Any) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _times(machine: dict[str, float], resource: str, need: float) -> int:
    return int(machine.get(resource, 0.0) / need + 1e-6)


def _check_answers(address: str) -> None:
    """Joins in a process of its own first: Ray waits long for what does not answer, and may end its process."""
    refused = f"executor.address={address}"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise UserError(f"{refused}: nothing answers there ({getattr(error, 'strerror', None) or error})") from None
    command = [sys.executable, "-m", "nastk.executors.ray_probe", address]
    try:
        probe = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{refused}: no Ray answers there within {PROBE_SECONDS:.0f} seconds") from None
    try:
        said = json.loads(probe.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise UserError(f"{refused}: no Ray answers there") from None
    if said and "InvalidAuthToken" in probe.stderr:
        raise UserError(f"{refused}: its RAY_AUTH_TOKEN is another than this machine's")
    if said:
        raise UserError(f"{refused}: {said}")


def _first_lines(text: str) -> str:
    return " ".join(text.split())[:300]


def _of(resource: str, amount: float) -> str:
    return f"{amount / GIGABYTE if resource == 'memory' else amount:.4g}"


def _asked(resource: str, need: float) -> str:
    return f"executor.{NAMES[resource][0]}={_of(resource, need)}"


def _there(machines: list[dict[str, float]], resource: str) -> str:
    total = sum(machine.get(resource, 0.0) for machine in machines)
    return f"there are {_of(resource, total)} {NAMES[resource][1]} on {len(machines)} machine(s)"
