"""How operations are shown: a short label, and a family whose colour tells at a glance what kind of work it is."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A kind of operation.

    Attributes:
        name: for the legend and for the CSS class.
        fill: colour of the box; dark enough for white text on it, unless `ink` says otherwise.
        ink: colour of the text.
    """

    name: str
    fill: str
    ink: str = "#ffffff"


CONVOLUTION = Family("convolution", "#2f6fb3")
SEPARABLE = Family("separable", "#14796b")
DILATED = Family("dilated", "#5b4bb5")
POOLING = Family("pooling", "#b25a12")
ATTENTION = Family("attention", "#a83a78")
IDENTITY = Family("identity", "#66707c")
ZERO = Family("zero", "#e6e8eb", "#4a5360")
OTHER = Family("other", "#3d4450")

FAMILIES: tuple[Family, ...] = (
    CONVOLUTION,
    SEPARABLE,
    DILATED,
    POOLING,
    ATTENTION,
    IDENTITY,
    ZERO,
    OTHER,
)

# The first prefix that fits decides, so that dil_sep_conv_3x3 counts as dilated before anything else is asked.
PREFIXES: tuple[tuple[str, Family], ...] = (
    ("dil_", DILATED),
    ("sep_", SEPARABLE),
    ("dw_", SEPARABLE),
    ("conv_", CONVOLUTION),
    ("avg_pool", POOLING),
    ("max_pool", POOLING),
    ("squeeze", ATTENTION),
    ("identity", IDENTITY),
    ("skip_connect", IDENTITY),
    ("zero", ZERO),
)

TIMES = "\N{MULTIPLICATION SIGN}"
WORDS = {"sep": "sep", "dil": "dilated", "dw": "depthwise", "avg": "avg", "max": "max", "squeeze": "squeeze-excite"}
DROPPED = {"excitation"}


def family(op: str) -> Family:
    """Returns an operation's family; "other" for one that a plug-in brought."""
    return next((found for prefix, found in PREFIXES if op.startswith(prefix)), OTHER)


def label(op: str) -> str:
    """Returns what the box of an operation says, e.g. "sep 5×5" for sep_conv_5x5 and "conv 1×7 7×1"."""
    words = [word for word in op.split("_") if word not in DROPPED]
    if len(words) > 2 and words[0] in ("sep", "dil", "dw"):
        words = [word for word in words if word != "conv"]
    spelled = [re.sub(r"^(\d+)x(\d+)$", rf"\1{TIMES}\2", WORDS.get(word, word)) for word in words if word]
    return " ".join(spelled) or op
