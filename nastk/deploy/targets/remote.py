"""Other machines, reached over SSH: files are written and scored here, and timed there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.runtimes.candidate_timing import QuickTiming
from nastk.deploy.runtimes.farm import Farm
from nastk.deploy.runtimes.farm_member import lock_of
from nastk.deploy.runtimes.farm_task import Timed
from nastk.deploy.runtimes.host_lock import turn
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.machine import RUNTIMES
from nastk.deploy.runtimes.remote_ask import Conditions, Request, ask, why_emulated
from nastk.deploy.runtimes.remote_machine import CPU
from nastk.deploy.runtimes.remote_result import RemoteResult
from nastk.deploy.runtimes.remote_runtimes import runtime_version
from nastk.deploy.runtimes.remote_shell import SSH
from nastk.deploy.runtimes.remote_timing import check_hosts, farm_of, latencies_there, quick_there
from nastk.deploy.runtimes.remote_trtexec import PROVIDER
from nastk.deploy.runtimes.suspects import tried_twice
from nastk.deploy.targets.arm import ArmTarget
from nastk.deploy.targets.checks import check_count
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.cuda import CudaTarget
from nastk.deploy.targets.elsewhere import ElsewhereTarget, Local
from nastk.deploy.targets.executorch import ExecutorchTarget
from nastk.deploy.targets.litert import LitertTarget
from nastk.deploy.targets.openvino import OpenvinoTarget
from nastk.deploy.targets.tensorrt import TensorrtTarget
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.processor import told_quick_bf16

KINDS: tuple[type[Local], ...] = (
    *(ArmTarget, CpuTarget, CudaTarget, ExecutorchTarget, LitertTarget, OpenvinoTarget, TensorrtTarget),
)
OF = {kind.name: kind for kind in KINDS}
HOST = "latency_host"  # of a candidate's metrics: the place of the machine in target.hosts, from 0
MAX_TIMEOUT = 86_400
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"


@dataclass(frozen=True)
class RemoteTarget(ElsewhereTarget):
    """Machines that run ONNX Runtime or the runtime of `of`. Needed there: an SSH server, Python 3.8, it and numpy.

    For `of` "tensorrt" these are an SSH server, Python 3.8 and trtexec of TensorRT 10 or 11, which builds each file's
    engine there, keeps it in ~/.cache/nastk/engines, and times it.

    SSH must get there without a question: with a key, and with the host known (connect once by hand). Port, user and
    key go into ~/.ssh/config, or into the environment variable NASTK_SSH ("ssh -p 2222").

    Attributes:
        host: as ssh takes it, e.g. user@board.
        hosts: several in its place, that are alike: candidates are measured at once, each on a free one.
        of: whose files run there: "arm", "cpu", "openvino", "litert", "executorch", "tensorrt", or "cuda", which is
            ONNX Runtime on a GPU, from buffer to buffer there.
        python: what Python is called there, a path from the home folder for one in an environment.
        trtexec: what it is called there; None looks in PATH and where NVIDIA's packages have it.
        onnxruntime: the version of the runtime that must run there; None takes any, and the manifest says which.
        threads: that compute one batch together; 0 is all cores there.
        batch: images at a time.
        precision: in which candidates are measured: "fp32" or "int8"; of "cuda" "fp32" or "fp16", of "tensorrt" any.
        seconds: that a candidate's latency measurement may take, besides copying.
        timeout: seconds that all but the measuring may take; building an engine may take ten minutes besides.

    Raises:
        UserError: a value that cannot be.
    """

    name: ClassVar[str] = "remote"
    over_network: ClassVar[bool] = True

    host: str | None = None
    hosts: tuple[str, ...] | None = None
    of: str = "arm"
    python: str = "python3"
    trtexec: str | None = None
    onnxruntime: str | None = None
    threads: int = 1
    batch: int = 1
    precision: str = "fp32"
    seconds: float = 0.3
    timeout: int = 120

    def __post_init__(self) -> None:
        if self.of not in OF:
            raise unknown("target in target.of", self.of, OF)
        for name, value, example in (("python", self.python, "python3"), ("trtexec", self.trtexec, TRTEXEC)):
            if value is not None and (not value.strip() or value.startswith("-") or not value.isprintable()):
                raise UserError(f"target: {name}={value!r}, expected the name or path of a program, e.g. {example}")
        check_count("timeout", self.timeout, 1, MAX_TIMEOUT)
        check_count("threads", self.threads, 0, 1024)
        _ = self._files_of
        check_hosts(self.host, self.hosts or ())

    @property
    def _kind(self) -> type[Local]:
        return OF[self.of]

    @property
    def at_once(self) -> int:
        """As many as there are machines."""
        return max(1, len(self.hosts or ()))

    def end(self) -> None:
        """Ends what runs there for candidates that nobody waits for any more; the machines go on being of use."""
        if self.hosts:
            self._farm.end()

    def check(self) -> None:
        """Asks the machines for their versions; raises UserError where none answers or can measure."""
        self._files_of.check()
        machine = self._there.machine
        if isinstance(self._files_of, OpenvinoTarget) and not told_quick_bf16(machine.get("features")):
            self._files_of.leave_out_bf16(f"remote {self.host or self._farm.last.host}")

    @property
    def _provider(self) -> str:
        return PROVIDER if isinstance(self._files_of, TensorrtTarget) else self._files_of.provider or CPU

    @property
    def _how(self) -> Conditions:
        return Conditions(
            *(self.python, self.timed_with, self._provider, self.batch, self.threads, self.timeout),
            *(self.onnxruntime, self.trtexec),
        )

    @cached_property
    def _alone(self) -> RemoteResult:
        assert self.host is not None
        return ask(self.host, self._how, Request())

    @property
    def _farm(self) -> Farm:
        assert self.hosts
        return farm_of(self.hosts, self._how, os.environ.get(SSH))

    @property
    def _there(self) -> RemoteResult:
        """What the machine is that measured last."""
        return self._farm.last.about if self.hosts else self._alone

    def measured_on(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Returns the machine's facts, as of `machine_facts`, and its versions of what runs the files."""
        return dict(self._there.machine), dict(self._there.versions)

    def cannot_time(self) -> str | None:
        """Says where that machine is emulated; one that cannot be asked says so when it is to measure."""
        try:
            how = self._there.machine["emulated"]
        except UserError:
            return None
        return None if how is None else why_emulated(self.host or self._farm.last.host, how)

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns those of `of`, what the machine is, and whether it runs another version than this one."""
        machine, versions = self.measured_on()
        name, there = RUNTIMES[self.timed_with], versions[self.timed_with]
        here, host = runtime_version(self.runtime), self.host or self._farm.last.host
        scored = here if self.timed_with == self.runtime else f"{RUNTIMES[self.runtime]} {here}"
        differs = f"target remote: timed by {name} {there} on {host}, scored by {scored} on this machine"
        found = dict(self._files_of.facts(folder))
        if isinstance(self._files_of, CudaTarget | TensorrtTarget):
            cuda = " with CUDA" * isinstance(self._files_of, CudaTarget)
            found |= {"run_by": f"{name} {there}{cuda}, {host}", "gpu": machine["gpu"]}
        if isinstance(self._files_of, OpenvinoTarget):  # its settings are those that it was scored with here
            found["openvino"] = {**found["openvino"], "timed_threads": self._there.threads}
        found["remote"] = {"host": host, "of": self.of, "machine": machine, "versions": versions}
        if self.hosts:
            found["remote"]["hosts"] = {one.host: dict(one.about.machine) for one in self._farm.members}
        notes = (differs if there != scored else None, found.get("note"))
        return {**found, "note": "; ".join(filter(None, notes)) or None}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, taken there, and params, macs, memory_mb and size_mb of the untrained network.

        On one of several machines also latency_host, its place among them.

        Raises:
            UserError: no machine answers, or it cannot run the file.
            MemoryError: it has not enough memory for the network.
        """
        return self.begin_cost(genotype, config)()

    def begin_cost(self, genotype: Genotype, config: NetworkConfig) -> Callable[[], dict[str, float]]:
        """Writes the file; returns what has it measured."""
        static = self._files_of.candidate(genotype, config)
        file = self.files[self.precision]
        name, settings = f"candidate{Path(file).suffix}", self._settings(file, config.shape)

        def quick(host: str) -> Timed[QuickTiming]:
            found = quick_there(host, self._how, name, static.file, self.seconds, settings)
            return Timed(found, found.p50_ms, found.doubt)

        def cost() -> dict[str, float]:
            host, timing = self._run(quick)
            return {**static.timed(timing), **({HOST: float(self.hosts.index(host))} if self.hosts else {})}

        return cost

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency there of each file, all on one machine in turn, anew where in doubt; see `latency`."""
        models = {f"{index}{path.suffix}": self._content(path) for index, path in enumerate(paths)}
        settings = {name: self._settings(path.name, path) for name, path in zip(models, paths, strict=True)}
        request = Request(models, seconds, runs, settings=settings)

        def measured(host: str) -> Timed[list[Latency]]:
            found, about = latencies_there(host, self._how, request)
            doubt = next((one.doubt for one in found if one.doubt is not None), None)
            return Timed(found, sum(one.p50_ms for one in found), doubt, about)

        latencies: list[Latency] = self._run(measured)[1]
        return latencies

    def _run(self, job: Callable[[str], Timed[Any]]) -> tuple[str, Any]:
        if self.hosts:
            return self._farm.run(job)
        assert self.host is not None
        with turn(lock_of(self._alone.identity or self.host), f"remote {self.host}"):
            timed = tried_twice(job, self.host)
        if timed.about is not None:  # trtexec names its GPU when it measures
            self.__dict__["_alone"] = timed.about
        return self.host, timed.value

    def _settings(self, file: str, of: Path | tuple[int, int, int]) -> dict[str, Any]:
        """Returns what its runtime is to know of a file; `of` is its images' shape (C, H, W), or where it lies."""
        if isinstance(self._files_of, TensorrtTarget):
            return self._files_of.trtexec_options(validate_model(of).shape if isinstance(of, Path) else of)
        precision = next((name for name, mine in self.files.items() if mine == file), "fp32")
        return self._files_of.settings(precision) if isinstance(self._files_of, OpenvinoTarget) else {}
