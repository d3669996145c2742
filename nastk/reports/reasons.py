"""Why trials ended as they did, reasons that differ in their numbers only told as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from nastk.runs.trials import TrialRow

NUMBER = re.compile(r"\d[\d.e+-]*")


def grouped_reasons(trials: Sequence[TrialRow]) -> list[tuple[str, str, int]]:
    """Returns state, reason and number of trials, the most frequent first; of several alike the first is shown."""
    alike = [(trial.state, NUMBER.sub("#", trial.reason)) for trial in trials]
    first = dict(zip(reversed(alike), [trial.reason for trial in reversed(trials)], strict=True))
    return [
        (kind[0], ("e.g. " if times > 1 and "#" in kind[1] else "") + first[kind], times)
        for kind, times in Counter(alike).most_common()
    ]
