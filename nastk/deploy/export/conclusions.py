"""What follows from the measurements of an export: the file to ship, the limits that it breaks, what to beware of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nastk.budget import LATENCY, broken_limits
from nastk.deploy.export.assess import recommend, recommend_untimed, shortcomings
from nastk.deploy.export.timings import evaluated_files
from nastk.objective import FLASH_KB, RAM_KB

KILOBYTE = 1000


@dataclass(frozen=True)
class Budget:
    """What a network may cost.

    Attributes:
        limits: by metric: "latency_ms", "ram_kb" and "flash_kb" of the file to ship, "params", "macs", "memory_mb".
        memory_mb: that it takes, where that is known.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    memory_mb: float | None = None


def concluded(manifest: Mapping[str, Any], max_accuracy_drop: float, budget: Budget) -> dict[str, Any]:
    """Returns a manifest with what follows from its targets: recommended, reason, warnings, precisions and budget.

    Args:
        manifest: with "target", "targets", "params" and "macs"; "standing", where the network was ranked beside
            baselines, ends the reason.
        max_accuracy_drop: see `recommend`.
        budget: what the network may cost.
    """
    first = manifest["target"]
    files = evaluated_files(manifest["targets"][first])
    decide = times_decide(manifest["targets"][first])
    choice = recommend(files, max_accuracy_drop, budget.limits.get(LATENCY)) if decide else None
    chosen, reason, warnings = choice or recommend_untimed(files, max_accuracy_drop)
    latency = next(one.latency for one in files if one.file == chosen) if decide else None
    costs = {
        **{"params": manifest["params"], "macs": manifest["macs"], "memory_mb": budget.memory_mb},
        **micro_costs(manifest["targets"][first], chosen),
        LATENCY: latency and latency.p50_ms,
    }
    broken = broken_limits(budget.limits, costs, chosen, (latency and latency.doubt) or "")
    further = [
        line
        for name, target in manifest["targets"].items()
        if name != first
        for line in shortcomings(name, evaluated_files(target), max_accuracy_drop)
    ]
    unknown = []
    if LATENCY in budget.limits and latency is None:
        why = "it was not timed on this machine" if decide else f"times of this machine say nothing of a {first}"
        unknown = [f"whether {chosen} keeps max_latency_ms={budget.limits[LATENCY]:g} is not known: {why}"]
    standing = manifest.get("standing")
    return {
        **manifest,
        "recommended": chosen,
        "reason": f"{reason}; {standing}" if standing else reason,
        "warnings": [*broken, *unknown, *warnings, *further],
        "budget": {"limits": dict(budget.limits), "memory_mb": budget.memory_mb, "broken": broken},
        "precisions": manifest["targets"][first]["precisions"],
    }


def times_decide(target: Mapping[str, Any]) -> bool:
    """Returns whether the latencies in a target's entry say anything of where its files will run, see `Target`."""
    return target.get("times_decide") is not False


def micro_costs(target: Mapping[str, Any], file: str) -> dict[str, float | None]:
    """Returns kilobytes of activations and of flash that a file of a target takes, None where that is not known.

    Args:
        target: its entry in the manifest.
        file: of its own.
    """
    memory, sizes = target.get("memory"), {one["file"]: one["size_bytes"] for one in target["precisions"].values()}
    found = memory.get(file) if isinstance(memory, Mapping) else None
    arena = found.get("arena_bytes") if isinstance(found, Mapping) else None
    flash = sizes.get(file) if found is not None else None
    return {
        name: value / KILOBYTE if isinstance(value, int) else None
        for name, value in ((RAM_KB, arena), (FLASH_KB, flash))
    }


def recorded_budget(manifest: Mapping[str, Any]) -> Budget | None:
    """Returns the budget that a manifest was concluded with; None for one of before it was written down."""
    found = manifest.get("budget")
    if not isinstance(found, Mapping) or not isinstance(found.get("limits"), Mapping):
        return None
    memory = found.get("memory_mb")
    limits = {str(name): float(limit) for name, limit in found["limits"].items() if isinstance(limit, int | float)}
    return Budget(limits, float(memory) if isinstance(memory, int | float) else None)
