"""Another machine, reached over SSH: its files are written and scored here, and timed there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import onnx
import onnxruntime

from nastk.deploy.cost.cost import static_cost
from nastk.deploy.emittable import Emittable
from nastk.deploy.onnx.validate import validate_model
from nastk.deploy.precision.scheme import Scheme
from nastk.deploy.precision.untrained import in_precision
from nastk.deploy.runtimes import remote_measure
from nastk.deploy.runtimes.candidate_timing import QuickTiming, steadiest, timing_of
from nastk.deploy.runtimes.latency import Latency, summaries
from nastk.deploy.runtimes.remote_measure import CPU, PLAN
from nastk.deploy.runtimes.remote_result import RemoteResult, read_result
from nastk.deploy.runtimes.remote_shell import check_host, run_there
from nastk.deploy.runtimes.session import allocation_errors_named
from nastk.deploy.targets.arm import ArmTarget
from nastk.deploy.targets.checks import check_count
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.cuda import CudaTarget
from nastk.deploy.targets.target import Runner, Target
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.stats.steadiness import MOST_REPEATS, Repeat, quietest

KINDS: tuple[type[ArmTarget | CpuTarget | CudaTarget], ...] = (ArmTarget, CpuTarget, CudaTarget)
OF = {kind.name: kind for kind in KINDS}
PROGRAM = Path(remote_measure.__file__)
CANDIDATE = "candidate.onnx"
MAX_TIMEOUT = 86_400


@dataclass(frozen=True)
class RemoteTarget(Target):
    """A machine that runs ONNX Runtime. Needed there: an SSH server, Python 3.8, onnxruntime(-gpu) and numpy.

    SSH must get there without a question: with a key, and with the host known (connect once by hand). Port, user and
    key go into ~/.ssh/config, or into the environment variable NASTK_SSH ("ssh -p 2222").

    Attributes:
        host: as ssh takes it, e.g. user@board.
        of: whose files run there: "arm", "cpu", or "cuda", which is ONNX Runtime on a GPU, from buffer to buffer there.
        python: what Python is called there, a path from the home folder for one in an environment.
        onnxruntime: the version that must run there; None takes any, and the manifest says which.
        threads: that compute one batch together; 0 is all cores there.
        batch: images at a time.
        precision: in which candidates are measured: "fp32" or "int8"; "fp32" or "fp16" on a GPU.
        seconds: that a candidate's latency measurement may take, besides copying.
        timeout: seconds that all but the measuring may take.

    Raises:
        UserError: a value that cannot be.
    """

    name: ClassVar[str] = "remote"
    over_network: ClassVar[bool] = True

    host: str
    of: str = "arm"
    python: str = "python3"
    onnxruntime: str | None = None
    threads: int = 1
    batch: int = 1
    precision: str = "fp32"
    seconds: float = 0.3
    timeout: int = 120

    def __post_init__(self) -> None:
        check_host(self.host)
        if self.of not in OF:
            raise unknown("target in target.of", self.of, OF)
        if not self.python.strip() or self.python.startswith("-") or not self.python.isprintable():
            raise UserError(f"target: python={self.python!r}, expected the name or path of a Python, e.g. python3")
        check_count("timeout", self.timeout, 1, MAX_TIMEOUT)
        check_count("threads", self.threads, 0, 1024)
        _ = self._files_of

    @cached_property
    def _files_of(self) -> Target:
        kind = OF[self.of]
        shared = [field.name for field in fields(kind) if hasattr(self, field.name)]
        return kind(**{name: getattr(self, name) for name in shared})

    @property
    def files(self) -> Mapping[str, str]:
        """Those of `of`."""
        return self._files_of.files

    @property
    def scheme(self) -> Scheme:
        """That of `of`."""
        return self._files_of.scheme

    @property
    def extras(self) -> tuple[str, ...]:
        """Those of `of`."""
        return self._files_of.extras

    def check(self) -> None:
        """Asks the machine for its versions; raises UserError where it does not answer or cannot measure."""
        self._files_of.check()
        _ = self._there

    @property
    def _on_gpu(self) -> bool:
        return self._files_of.provider != CPU

    @cached_property
    def _there(self) -> RemoteResult:
        return self._ask({}, seconds=0.0)

    def measured_on(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Returns the machine's facts, as of `machine_facts`, and its versions of what runs the files."""
        return dict(self._there.machine), dict(self._there.versions)

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the files of `of`."""
        self._files_of.emit(source, folder)

    def cannot_run(self) -> str | None:
        """As `of` has it: test images are classified on this machine."""
        return self._files_of.cannot_run()

    def cannot_time(self) -> str | None:
        """Says where that machine cannot be asked, or is emulated: it is timed there."""
        try:
            how = self._there.machine["emulated"]
        except UserError as error:
            return str(error)
        return None if how is None else self._emulated(how)

    def _emulated(self, how: object) -> str:
        return f"remote {self.host}: is emulated ({how}); its times are those of no processor"

    def runner(self, path: Path) -> Runner:
        """Opens a file on this machine."""
        return self._files_of.runner(path)

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns those of `of`, what the machine is, and whether it runs another ONNX Runtime than this one."""
        machine, versions = self.measured_on()
        there, here = versions["onnxruntime"], onnxruntime.__version__
        differs = f"target remote: timed by ONNX Runtime {there} on {self.host}, scored by {here} on this machine"
        found = dict(self._files_of.facts(folder))
        if self._on_gpu:
            found |= {"run_by": f"ONNX Runtime {there} with CUDA, {self.host}", "gpu": machine["gpu"]}
        found["remote"] = {"host": self.host, "of": self.of, "machine": machine, "versions": versions}
        notes = (differs if there != here else None, found.get("note"))
        return {**found, "note": "; ".join(filter(None, notes)) or None}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, taken there, and params, macs, memory_mb and size_mb of the untrained network.

        Raises:
            UserError: the machine does not answer or cannot run the file.
            MemoryError: it has not enough memory for the network.
        """
        static = static_cost(genotype, config, write=self._write)

        def timed() -> QuickTiming:
            answer = self._ask({CANDIDATE: static.file}, seconds=self.seconds, quick=True)
            times = answer.seconds[CANDIDATE][0]
            return timing_of(times, self._others(answer), answer.threads, self._cores(answer))

        return static.timed(steadiest(timed))

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency there of each file, measured in turn, anew where in doubt; see `runtimes.latency`."""
        models = {f"{index}.onnx": validate_model(path).data for index, path in enumerate(paths)}
        repeats: list[Repeat] = []
        while True:
            answer = self._ask(models, seconds=seconds, runs=runs)
            repeats += self._repeats(answer, list(models))
            found = summaries(quietest(repeats), self.batch, answer.threads, self._cores(answer))
            if len(repeats) >= MOST_REPEATS or all(latency.steady for latency in found):
                return found

    def _repeats(self, answer: RemoteResult, names: Sequence[str]) -> list[Repeat]:
        times = zip(*(answer.seconds[name] for name in names), strict=True)
        return [Repeat(one, self._others(answer)) for one in times]

    def _others(self, answer: RemoteResult) -> float | None:
        """A GPU's times are not those of the processor."""
        return None if self._on_gpu else answer.others

    @staticmethod
    def _cores(answer: RemoteResult) -> int | None:
        cores = answer.machine["cores"]
        return int(cores) if isinstance(cores, int | float) and cores >= 1 else None

    def _write(self, model: onnx.ModelProto) -> onnx.ModelProto:
        return in_precision(model, self.precision, self.scheme)

    def plan(
        self, models: Mapping[str, bytes], *, seconds: float, runs: int = 0, quick: bool = False
    ) -> dict[str, Any]:
        """Returns what the measuring script is told: what to time, and how."""
        return {
            "files": {name: hashlib.sha256(model).hexdigest() for name, model in models.items()},
            "batch": self.batch,
            "threads": self.threads,
            "provider": self._files_of.provider,
            "runs": runs,
            "seconds": seconds,
            "quick": quick,
            "timeout": self.timeout + 2 * seconds * len(models),
        }

    def _ask(self, models: Mapping[str, bytes], *, seconds: float, runs: int = 0, quick: bool = False) -> RemoteResult:
        plan = self.plan(models, seconds=seconds, runs=runs, quick=quick)
        sent = {PROGRAM.name: PROGRAM.read_bytes(), PLAN: json.dumps(plan).encode(), **models}
        with allocation_errors_named():
            printed = run_there(self.host, self.python, PROGRAM.name, sent, plan["timeout"])
            answer = read_result(self.host, printed, models, quick)
        how = answer.machine["emulated"]
        if models and how is not None:
            raise UserError(self._emulated(how))
        found = answer.versions["onnxruntime"]
        if self.onnxruntime is not None and found != self.onnxruntime:
            raise UserError(
                f"remote {self.host}: runs ONNX Runtime {found}, target.onnxruntime={self.onnxruntime} is set"
            )
        return answer
