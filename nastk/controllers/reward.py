"""What a policy is told of a trial: a reward that does not depend on the objective's scale, and an advantage."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque

from nastk.controllers.history import Record

WORST = -1.0


class Rewards:
    """Turns records, in their order, into rewards and advantages.

    The reward is the rank of the value among the last `window` distinct trials, -1 to 1: accuracies crowd near the
    top, and what matters there is lost in a plain mean. A rejected trial gets less than any that kept the limits, and
    the less the more it broke them; one that failed, or whose network was known before, gets -1: it taught nothing.

    Args:
        decay: of the moving mean that is the baseline.
        window: how many trials a value is ranked among.
    """

    def __init__(self, decay: float, window: int) -> None:
        self._decay, self._window = decay, window
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._baseline: float | None = None
        self._spread = 1.0

    def reward(self, record: Record) -> float:
        """Returns the reward of the next record."""
        if record.violation:
            return WORST - record.violation / (1.0 + record.violation)
        if record.score is None:
            return WORST
        low, high = bisect_left(self._sorted, record.score), bisect_right(self._sorted, record.score)
        rank = (low + high + 1) / (2 * (len(self._sorted) + 1))
        if record.duplicate:
            return WORST
        insort(self._sorted, record.score)
        self._recent.append(record.score)
        if len(self._recent) > self._window:
            self._sorted.remove(self._recent.popleft())
        return 2 * rank - 1

    def advantage(self, record: Record) -> float:
        """Returns by how much the next record's reward is better than what was usual, in units of what is usual."""
        reward = self.reward(record)
        before = 0.0 if self._baseline is None else self._baseline
        difference = reward - before
        self._baseline = before + (1 - self._decay) * difference
        self._spread = self._decay * self._spread + (1 - self._decay) * abs(difference)
        return difference / max(self._spread, 0.1)
