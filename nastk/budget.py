"""Which limits the network that ships breaks, in sentences that every page shows alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nastk.checks import is_number

PREFIX = "max_"
LATENCY = "latency_ms"
MODEL_KB = "model_kb"  # of the file to ship, in kilobytes of 1000 bytes
WORDS = {"params": "parameters", "macs": "multiply-accumulates"}


def broken_limits(
    limits: Mapping[str, float], costs: Mapping[str, float | None], file: str, doubt: str = ""
) -> list[str]:
    """Returns a sentence for each limit that is broken.

    Args:
        limits: by metric, "latency_ms", "params", "macs" or "memory_mb".
        costs: of the file to ship, by metric; what is not known breaks nothing.
        file: the file to ship.
        doubt: why its latency cannot be trusted, "" where it can.
    """
    said = []
    for metric, limit in limits.items():
        cost = costs.get(metric)
        if cost is None or cost <= limit:
            continue
        if metric == LATENCY:
            said.append(_late(cost, limit, file, doubt))
        elif metric in WORDS:
            said.append(f"the network has {cost:,.0f} {WORDS[metric]}, {PREFIX}{metric} is {limit:,.0f}")
        else:
            said.append(f"the network has {metric} {cost:.4g}, {PREFIX}{metric} is {limit:g}")
    return said


def over_limits(limits: Mapping[str, float], costs: Mapping[str, float]) -> dict[str, float]:
    """Returns by which share each limit is broken that is; what is not known breaks nothing."""
    known = {name: costs[name] / limit - 1 for name, limit in limits.items() if name in costs}
    return {name: share for name, share in known.items() if share > 0}


def limits_in(fields: Any) -> dict[str, float]:
    """Returns the limits that an object of settings sets, {"latency_ms": 3.0} of {"max_latency_ms": 3}."""
    found = fields.items() if isinstance(fields, Mapping) else ()
    return {
        str(name).removeprefix(PREFIX): float(value)
        for name, value in found
        if str(name).startswith(PREFIX) and is_number(value)
    }


def _late(cost: float, limit: float, file: str, doubt: str) -> str:
    if doubt:
        return (
            f"{file} takes {cost:.4g} ms (p50, not trustworthy: {doubt}), {PREFIX}{LATENCY} is {limit:g}; export or "
            "bench anew on a machine that does nothing else"
        )
    return (
        f"{file} takes {cost:.4g} ms (p50), {PREFIX}{LATENCY} is {limit:g}; transfer with a lower "
        "transfer.max_latency_ms, or export anew on a machine that does nothing else"
    )
