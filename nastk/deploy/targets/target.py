"""What every target is: a place where networks run, that says what they cost there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from nastk.deploy.latency import Latency
from nastk.genotype import Genotype
from nastk.networks import NetworkConfig


class Target(Protocol):
    """Targets are frozen dataclasses built from `conf/target/*.yaml`; a new one is a file here and one there."""

    @property
    def name(self) -> str:
        """What results are filed under."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files of an export that run on it."""
        ...

    def cost(self, genotype: Genotype, config: NetworkConfig) -> dict[str, float]:
        """Returns what the untrained network costs: latency_ms (p50), params, macs, memory_mb, size_mb."""
        ...

    def measure(self, paths: Sequence[Path], *, runs: int = 200, seconds: float = 1.0) -> list[Latency]:
        """Returns the latency of each file, measured in turn."""
        ...
