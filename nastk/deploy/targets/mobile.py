"""What the runtimes for phones have in common: files for one image at a time, written from the network itself."""

from __future__ import annotations

import importlib.util
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nastk.deploy.cost.cost import MEGABYTE, Static, static_cost
from nastk.deploy.emittable import Emittable, untrained
from nastk.deploy.precision.scheme import UINT8, Scheme
from nastk.deploy.runtimes.candidate_timing import quick_timing
from nastk.deploy.runtimes.latency import CallTimer, Latency, interleaved
from nastk.deploy.runtimes.machine import no_clock
from nastk.deploy.targets.checks import check_count, check_precision, check_seconds
from nastk.deploy.targets.culprit import refused_edge
from nastk.deploy.targets.target import Runner, Target
from nastk.errors import UserError
from nastk.files import write_bytes
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig, build_network
from nastk.ops.merging import merged_network
from nastk.processor import usable_cores


@dataclass(frozen=True)
class Opened:
    """A file in its runtime.

    Attributes:
        shape: of one image, (channels, height, width).
        run: gives the logits (1, classes) of one image (1, C, H, W), both float32.
    """

    shape: tuple[int, ...]
    run: Runner


@dataclass(frozen=True)
class MobileTarget(Target):
    """A runtime for phones, on the CPU of this machine. Its files take float32 pixels, one image at a time.

    Writing a candidate takes seconds for LiteRT and up to half a minute for ExecuTorch, where ONNX takes less than one.

    Its `name` is also that of the extra which installs what it needs.

    Attributes:
        threads: that compute one image together; 0 is all cores.
        batch: 1, what a camera gives; several images are run one by one.
        precision: in which candidates are measured: "fp32" or "int8", as they are to be deployed.
        seconds: that a candidate's latency measurement may take.

    Raises:
        UserError: a value that cannot be.
    """

    # Activations asymmetric and 8 bits wide are what their own quantizers make.
    scheme: ClassVar[Scheme] = UINT8
    baselines: ClassVar[tuple[str, ...]] = ("mobilenet_v2", "mobilenet_v3_small", "mnasnet1_0")

    threads: int = 1
    batch: int = 1
    precision: str = "fp32"
    seconds: float = 0.3

    writers: ClassVar[tuple[str, ...]] = ()
    runtime: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_count("threads", self.threads, 0, 1024)
        if self.batch != 1:
            raise UserError(f"target {self.name}: batch={self.batch!r}, expected 1: its files take one image at a time")
        check_precision(self.name, self.precision, self.files)
        check_seconds(self.seconds)

    @abstractmethod
    def convert(self, network: nn.Module, example: torch.Tensor) -> bytes:
        """Returns the float32 file of a network for images like `example`, (1, C, H, W)."""

    @abstractmethod
    def convert_int8(self, network: nn.Module, calibration: torch.Tensor, float_file: bytes | None) -> bytes:
        """Returns the int8 file, its ranges taken from images (n, C, H, W); `float_file` is the float32 one or None."""

    @abstractmethod
    def open(self, path: Path, threads: int) -> Opened:
        """Opens a file with so many threads; raises UserError where it is damaged."""

    def check(self) -> None:
        """Raises UserError where the converter is not installed."""
        missing = missing_packages(self.writers)
        if missing:
            raise UserError(f"target {self.name}: needs {missing}, not installed; pip install 'nastk[{self.name}]'")

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes the float32 file and the int8 file, which is calibrated by the runtime's own quantizer."""
        float_file = self._written(source, "fp32")
        write_bytes(folder / self.files["fp32"], float_file)
        known = None if source.tuned else float_file
        write_bytes(folder / self.files["int8"], self._written(source, "int8", known))

    def cannot_run(self) -> str | None:
        """Says where the runtime is not installed."""
        missing = missing_packages((self.runtime,))
        return missing and f"target {self.name}: {missing} is not installed; pip install 'nastk[{self.name}]'"

    def cannot_time(self) -> str | None:
        """As long as it can be run, and this machine is none that is emulated."""
        reason = no_clock()
        return self.cannot_run() or (reason and f"target {self.name}: {reason}")

    def runner(self, path: Path) -> Runner:
        """Opens a file on all cores."""
        opened = self.open(path, usable_cores())

        def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.concatenate([opened.run(images[at : at + 1]) for at in range(len(images))])

        return run

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each file, measured in turn; raises UserError where the runtime is missing."""
        self._check_runtime()
        count = self.threads or usable_cores()
        timers = [CallTimer(_call(self.open(path, count))) for path in paths]
        return interleaved(timers, batch=1, threads=count, runs=runs, seconds=seconds)

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns latency_ms, params, macs, memory_mb and size_mb of the untrained network, in its precision's file.

        Raises:
            UserError: the converter is missing or cannot express an operator.
        """
        self._check_runtime()
        return self._timed(self.candidate(genotype, config))

    def candidate(self, genotype: Genotype, config: NetworkConfig) -> Static:
        """Returns the file of the untrained network in its precision, and what it costs but for the latency."""
        self.check()
        return self._static(self._written(self._untrained(genotype, config), self.precision), genotype, config)

    @staticmethod
    def _static(data: bytes, genotype: Genotype, config: NetworkConfig) -> Static:
        """Returns what a candidate costs whose file was written, but for the latency."""
        return replace(static_cost(genotype, config), size_mb=len(data) / MEGABYTE, file=data)

    def _timed(self, static: Static) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.files[self.precision]
            path.write_bytes(static.file)
            count = self.threads or usable_cores()
            opened = self.open(path, count)
        return static.timed(quick_timing(_call(opened), seconds=self.seconds, threads=count))

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns that the files take one image at a time."""
        return {"batch": 1}

    @staticmethod
    def _untrained(genotype: Genotype, config: NetworkConfig) -> Emittable:
        """Returns a candidate as it would be deployed, with weights and ranges that are of no consequence."""
        deployed = replace(config, auxiliary=False, drop_path=0.0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = build_network(genotype, deployed).eval()
        return untrained(network, deployed, genotype.key)

    def _written(self, source: Emittable, precision: str, float_file: bytes | None = None) -> bytes:
        mine = source.int8 if precision == "int8" else source

        def convert(module: nn.Module, images: torch.Tensor, known: bytes | None = None) -> bytes:
            if precision == "int8":
                return self.convert_int8(folded(module), images, known)
            return self.convert(folded(module), torch.zeros_like(images[:1]))

        try:
            return convert(mine.network, torch.from_numpy(mine.calibration), float_file)
        except (ImportError, UserError):
            raise
        except Exception as error:  # the converters' exceptions share no base class
            first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip('"')
            place = refused_edge(mine.network, mine.shape, convert)
            raise UserError(
                f"target {self.name}: cannot write the {precision} file of {source.key[:8]}"
                f"{f': {place}' if place else ''} ({first})"
            ) from error

    def _check_runtime(self) -> None:
        missing = self.cannot_run()
        if missing is not None:
            raise UserError(missing)


def folded(network: nn.Module) -> nn.Module:
    """Returns a copy of a network in eval mode, without gradients, batch normalisation folded, branches merged."""
    from torch.fx.experimental.optimization import fuse

    fused: nn.Module = fuse(merged_network(network))
    return fused.requires_grad_(False)


def _call(opened: Opened) -> Callable[[], object]:
    image = np.random.default_rng(0).standard_normal((1, *opened.shape), dtype=np.float32)
    return lambda: opened.run(image)


def missing_packages(modules: Sequence[str]) -> str | None:
    """Returns the first package that is not installed; None where all are."""
    return next((name for name in modules if importlib.util.find_spec(name) is None), None)
