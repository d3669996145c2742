"""How near a limit a latency may come, the clock being what it is: measured again, and with a margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nastk.budget import LATENCY
from nastk.objective import STEADY

# A latency of the search for a size must stay so far below its limit: it is measured again, and a clock is noisy.
MARGIN = 0.03
STEADY_MARGIN = 0.015  # where the clock was steady, as two measurements near the limit were
DOUBT = 10.0  # times the limit: what took longer is too slow however busy the machine was


def measured_at_ease(
    measure: Callable[[], Mapping[str, float] | None], limit_ms: float | None, margin: float
) -> Mapping[str, float] | None:
    """Returns a cost, measured once more where its latency is over the limit less the margin: the quicker counts.

    A machine that was busy for a moment makes a network slow, nothing makes it fast.

    Args:
        measure: returns the cost by metric, None where the network does not go into memory.
        limit_ms: of the latency; None for none.
        margin: share of the limit.
    """
    cost = measure()
    if cost is None or limit_ms is None or not 1 - margin < cost.get(LATENCY, 0.0) / limit_ms < DOUBT:
        return cost
    again = measure()
    return cost if again is None or cost[LATENCY] <= again[LATENCY] else again


def margin_of(cost: Mapping[str, float]) -> float:
    """Returns the share of a latency limit that a cost must stay below it, by whether its latency can be trusted."""
    return MARGIN if cost.get(STEADY) == 0 else STEADY_MARGIN
