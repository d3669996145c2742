"""What every target is: a place where networks run. It writes the files that run there, runs and times them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nastk.deploy.emittable import Emittable
from nastk.deploy.runtimes.latency import Latency
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig

Runner = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Target(Protocol):
    """Targets are frozen dataclasses built from `conf/target/*.yaml`; a new one is a file here and one there."""

    @property
    def name(self) -> str:
        """What results are filed under."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Names of the files that it runs, by precision; the first is what the others are compared with."""
        ...

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of further files that `emit` writes: scripts, notes."""
        ...

    def check(self) -> None:
        """Raises UserError where what `emit` needs is not installed; called before anything is trained or written."""
        ...

    def emit(self, source: Emittable, folder: Path) -> None:
        """Writes `files` and `extras` into `folder`; raises UserError where an operator has no place there."""
        ...

    def cannot_run(self) -> str | None:
        """Returns in one line why its files cannot be run on this machine, or None where they can."""
        ...

    def cannot_time(self) -> str | None:
        """Returns in one line why a latency taken on this machine would not be the target's, or None."""
        ...

    def runner(self, path: Path) -> Runner:
        """Opens one of its files; returns what gives its logits (n, classes) for normalised images (n, C, H, W)."""
        ...

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each of its files, measured in turn; raises UserError where that cannot be."""
        ...

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns what the untrained network costs: latency_ms (p50), params, macs, memory_mb, size_mb."""
        ...

    def facts(self, folder: Path) -> Mapping[str, Any]:
        """Returns what else the manifest of the export in `folder` is to say of this target's files, as JSON."""
        ...
