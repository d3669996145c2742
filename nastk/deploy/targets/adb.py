"""An Android phone, reached over adb: its files are written and scored here, and timed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from nastk.checks import check_number
from nastk.deploy.manifest import MAX_BYTES
from nastk.deploy.runtimes.elf import abi_of
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.phone_facts import PhoneFacts
from nastk.deploy.runtimes.phone_timing import PhoneConditions, about_phone, latencies_on_phone, quick_on_phone
from nastk.deploy.runtimes.phone_tools import BENCHMARK_MODEL, EXECUTOR_RUNNER, PERF_TEST, Tool
from nastk.deploy.targets.arm import ArmTarget
from nastk.deploy.targets.checks import check_count, check_seconds
from nastk.deploy.targets.cpu import CpuTarget
from nastk.deploy.targets.elsewhere import ElsewhereTarget, Local
from nastk.deploy.targets.executorch import ExecutorchTarget
from nastk.deploy.targets.litert import LitertTarget
from nastk.errors import UserError, unknown
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig
from nastk.outside import read_bytes

OF: dict[str, tuple[type[Local], Tool]] = {
    "litert": (LitertTarget, BENCHMARK_MODEL),
    "executorch": (ExecutorchTarget, EXECUTOR_RUNNER),
    "arm": (ArmTarget, PERF_TEST),
    "cpu": (CpuTarget, PERF_TEST),
}
MAX_TIMEOUT = 86_400


@dataclass(frozen=True)
class AdbTarget(ElsewhereTarget):
    """A phone with USB debugging on. What times the files is a runtime's own benchmark program, which is copied there.

    Where adb's server runs is adb's own matter: ANDROID_ADB_SERVER_PORT and the like.

    Attributes:
        binary: path here of the program, built for the phone: of `of` "litert" `benchmark_model`, of "executorch"
            `executor_runner`, of "arm" and "cpu" `onnxruntime_perf_test`.
        serial: the phone, as `adb devices` calls it; None takes the only one, and no other after that.
        of: whose files run there.
        threads: that compute one batch together, on the fastest cores; 0 is all cores there.
        batch: images at a time.
        precision: in which candidates are measured: "fp32" or "int8".
        seconds: that the timed runs of a candidate are to make up.
        celsius: the most that the phone's processor may be warm before it is timed.
        wait: seconds that it may take to cool so far.
        timeout: seconds that starting the program and loading a file may take.

    Raises:
        UserError: a value that cannot be.
    """

    name: ClassVar[str] = "adb"
    over_network: ClassVar[bool] = True

    binary: str
    serial: str | None = None
    of: str = "litert"
    threads: int = 1
    batch: int = 1
    precision: str = "fp32"
    seconds: float = 0.3
    celsius: float = 45.0
    wait: float = 120.0
    timeout: int = 120

    def __post_init__(self) -> None:
        if self.of not in OF:
            raise unknown("target in target.of", self.of, OF)
        if not self.binary.strip() or not self.binary.isprintable():
            raise UserError(f"target: binary={self.binary!r}, expected the path of {self._tool.title}")
        if self.serial is not None and (not self.serial or not self.serial.isprintable() or " " in self.serial):
            raise UserError(f"target: serial={self.serial!r}, expected a name that adb devices lists")
        check_count("timeout", self.timeout, 1, MAX_TIMEOUT)
        check_count("threads", self.threads, 0, 1024)
        check_seconds(self.seconds)
        check_number("target: celsius", self.celsius, 0, 150)
        check_number("target: wait", self.wait, 0, MAX_TIMEOUT)
        _ = self._files_of

    @property
    def _tool(self) -> Tool:
        return OF[self.of][1]

    @property
    def _kind(self) -> type[Local]:
        return OF[self.of][0]

    def check(self) -> None:
        """Starts the program on the phone; raises UserError where it is not there, not the one, or not for it."""
        self._files_of.check()
        _ = self._there

    @cached_property
    def _how(self) -> PhoneConditions:
        path = Path(self.binary)
        if not path.is_file():
            raise UserError(f"target: binary={self.binary} is no file, expected {self._tool.title} built for the phone")
        program = read_bytes(path, MAX_BYTES)
        abi_of(program, self.binary)
        numbers = (self.batch, self.threads, self.celsius, self.wait, self.timeout)
        return PhoneConditions(self.serial, self._tool, program, self.binary, *numbers)

    @property
    def _found(self) -> PhoneConditions:
        """The conditions on the phone that was found: another one that is plugged in later is not it."""
        return replace(self._how, serial=self._there[0])

    @cached_property
    def _there(self) -> tuple[str, PhoneFacts]:
        return about_phone(self._how)

    def measured_on(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Returns the phone's facts, as of `machine_facts` and its own, and the version of its Android."""
        facts = self._there[1]
        return facts.machine(facts.fastest(self.threads)), {"android": facts.properties["android"]}

    def timed_by(self) -> dict[str, str]:
        """Returns the version of Android: the program that times the files tells none of its runtime."""
        return dict(self.measured_on()[1])

    def cannot_time(self) -> str | None:
        """Says where the phone is an emulator; one that cannot be asked says so when it is to measure."""
        try:
            serial, facts = self._there
        except UserError:
            return None
        how = facts.emulated
        return how and f"target adb: {serial} is an {how}; its times are those of no phone"

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns those of `of`, what the phone is and which program timed the files, and what that does not tell."""
        machine, versions = self.measured_on()
        found = dict(self._files_of.facts(folder))
        found["adb"] = {"of": self.of, "tool": self._tool.title, "machine": machine, "versions": versions}
        notes = (self._tool.bounds, found.get("note"))
        return {**found, "note": "; ".join(filter(None, notes)) or None}

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, taken there, and params, macs, memory_mb and size_mb of the untrained network.

        Raises:
            UserError: the phone does not answer, stays too hot or cannot run the file.
        """
        self._check_clock()
        static = self._files_of.candidate(genotype, config)
        name = f"candidate{Path(self.files[self.precision]).suffix}"
        return static.timed(quick_on_phone(self._found, name, static.file, self.seconds))

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency there of each file, all in turn, anew where in doubt; see `latencies_on_phone`."""
        self._check_clock()
        models = {f"{index}{path.suffix}": self._content(path) for index, path in enumerate(paths)}
        latencies, facts = latencies_on_phone(self._found, models, runs, seconds)
        self.__dict__["_there"] = self._there[0], facts  # what is told of the phone is as it was when it measured
        return latencies

    def _check_clock(self) -> None:
        _ = self._there
        reason = self.cannot_time()
        if reason is not None:
            raise UserError(reason)
