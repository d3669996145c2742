"""What every target is: a place where networks run. It writes the files that run there, runs and times them."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.emittable import Emittable
from nastk.deploy.precision.lint_rules import Rule
from nastk.deploy.precision.scheme import Scheme
from nastk.deploy.runtimes.latency import Latency
from nastk.deploy.runtimes.machine import runtime_version
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

Runner = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Target(ABC):
    """Targets are frozen dataclasses built from `conf/target/*.yaml`; a new one is a file here and one there.

    What is the same for all of a kind stands in its class as a constant: `name`, `files` and `scheme` in each, the
    others where the defaults do not suit. Nothing elsewhere asks for a target by its name.

    Attributes:
        rules: that its int8 graphs keep, see `nastk.deploy.precision.lint`.
        graph_rules: that all of its graphs keep.
        operators: of ONNX that it computes; None: those of ONNX Runtime on a CPU.
        provider: of ONNX Runtime, that runs its files where they were copied to; None: another runtime does.
        over_network: whether using it reaches another machine.
        times_decide: whether the latencies that `measure` takes say anything of where the files will run.
        baselines: networks of conf/network that suit it, which a transfer trains beside what was searched.
    """

    rules: ClassVar[tuple[Rule, ...]] = ()
    graph_rules: ClassVar[tuple[Rule, ...]] = ()
    operators: ClassVar[frozenset[str] | None] = None
    provider: ClassVar[str | None] = None
    over_network: ClassVar[bool] = False
    times_decide: ClassVar[bool] = True
    # A desktop's processor runs dense and depthwise convolutions well in int8.
    baselines: ClassVar[tuple[str, ...]] = ("mobilenet_v2", "resnet18", "mobilenet_v3_small")

    @property
    @abstractmethod
    def name(self) -> str:
        """What results are filed under."""

    @property
    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """Names of the files that it runs, by precision; the first is what the others are compared with."""

    @property
    @abstractmethod
    def scheme(self) -> Scheme:
        """How its int8 is written and what fine-tuning imitates; of a target without int8, what fine-tuning takes."""

    @property
    def quantizer(self) -> str | None:
        """The package that writes its int8 files; None: nastk's own quantizer, in `scheme`."""
        return None

    @property
    def runtime(self) -> str:
        """The package that runs its files: where two targets have the same, a file that both have answers alike."""
        return "onnxruntime"

    @property
    def timed_with(self) -> str:
        """The package whose runtime takes its latencies, which is not always what gives its answers here."""
        return self.runtime

    @property
    def at_once(self) -> int:
        """How many candidates it can measure at the same time."""
        return 1

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of further files that `emit` writes: scripts, notes."""
        return ()

    def check(self) -> None:  # noqa: B027
        """Raises UserError where what `emit` needs is not installed; called before anything is trained or written."""

    @abstractmethod
    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes `files` and `extras` into `folder`; raises UserError where an operator has no place there."""

    def still_fits(self, entry: Mapping[str, Any]) -> bool:
        """Returns whether its files of an export, of which the manifest has `entry`, may be used here as they are."""
        return True

    def cannot_run(self) -> str | None:
        """Returns in one line why its files cannot be run on this machine, or None where they can."""
        return None

    def cannot_time(self) -> str | None:
        """Returns in one line why a latency taken on this machine would not be the target's, or None."""
        return None

    def measured_on(self) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Returns facts and versions of the machine that latencies are taken on, None where that is this one."""
        return None

    def timed_by(self) -> dict[str, str]:
        """Returns the version of what its latencies are taken with, by package; raises UserError without one."""
        there = self.measured_on()
        name = self.timed_with
        return {name: runtime_version(name) if there is None else there[1][name]}

    @abstractmethod
    def runner(self, path: Path) -> Runner:
        """Opens one of its files; returns what gives its logits (n, classes) for normalised images (n, C, H, W)."""

    @abstractmethod
    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each of its files, measured in turn; raises UserError where that cannot be."""

    @abstractmethod
    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns what the untrained network costs: latency_ms (p50), params, macs, memory_mb, size_mb."""

    def begin_cost(self, genotype: Genotype, config: NetworkConfig) -> Callable[[], dict[str, float]]:
        """Does what has to be done in this process's main thread; returns what `cost` does, to be called in any."""
        return functools.partial(self.cost, genotype, config)

    def end(self) -> None:  # noqa: B027
        """Ends what `begin_cost` began and nobody waits for any more, from another thread; what waits then raises."""

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns what else the manifest of the export in `folder` is to say of this target's files, as JSON."""
        return {}
