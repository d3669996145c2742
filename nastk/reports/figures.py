"""Turns a matplotlib figure into PNG, and into an inline SVG that follows the page's light or dark colours."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

WRAPPED = 24  # characters of a line of a legend that is too wide
# Every role has a colour of its own, so that the SVG's colours can be turned back into roles, CSS variables.
LIGHT = {
    "ink": "#1d2530",
    "dim": "#5b6673",
    "grid": "#e3e7ec",
    "paper": "#fffffe",
    "trained": "#8aa4bf",
    "front": "#1f66b0",
    "chosen": "#d9480f",
    "budget": "#b3261e",
    "shade": "#f6e3e1",
    "series1": "#1f66b1",
    "series2": "#c2570c",
    "series3": "#18794f",
    "series4": "#8b3fa0",
    "series5": "#9a7b0a",
    "series6": "#b0305c",
    "series7": "#2a7f8f",
    "series8": "#6b6f76",
}
DARK = {
    "ink": "#e6eaf0",
    "dim": "#9aa5b2",
    "grid": "#2c3540",
    "paper": "#171d25",
    "trained": "#5f7c9b",
    "front": "#63a8ee",
    "chosen": "#ff8a4c",
    "budget": "#f28b82",
    "shade": "#3a2526",
    "series1": "#63a8ef",
    "series2": "#f0924a",
    "series3": "#4cc38a",
    "series4": "#c48bd8",
    "series5": "#dcc04f",
    "series6": "#ee7da2",
    "series7": "#5cc0d0",
    "series8": "#a7acb4",
}
SERIES = tuple(name for name in LIGHT if name.startswith("series"))
DOTS_PER_INCH = 220


class ShownFigure(Figure):
    """A figure that a notebook shows whether pyplot was imported there or not."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


@dataclass
class Chart:
    """A figure with one set of axes.

    Attributes:
        figure: half or all of the page wide.
        axes: its axes, in the report's style.
        label: what a screen reader says.
        tips: texts that show when the mouse rests on the artist whose gid `tip` gave, each with the key of the network
            that is drawn there, "" for none.
    """

    figure: Figure
    axes: Axes
    label: str
    tips: list[tuple[str, str]] = field(default_factory=list)

    def tip(self, text: str, key: str = "") -> str:
        """Keeps a text and the key of a network; returns the gid for the artist that they belong to."""
        self.tips.append((text, key))
        return f"tip-{len(self.tips) - 1}"


def new_chart(x: str, y: str, label: str, wide: bool = False) -> Chart:
    """Returns an empty chart with its axes named; a wide one takes the page's whole width, others half of it."""
    figure = ShownFigure(figsize=(9.6, 4.6) if wide else (5.0, 3.9), layout="constrained", facecolor=LIGHT["paper"])
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.set_xlabel(x, color=LIGHT["dim"])
    axes.set_ylabel(y, color=LIGHT["dim"])
    axes.grid(True, color=LIGHT["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LIGHT["dim"])
    axes.tick_params(colors=LIGHT["dim"], labelsize=9)
    return Chart(figure, axes, label)


def add_legend(chart: Chart, columns: int = 2) -> None:
    """Puts the legend above the axes, where it covers nothing; what is wider than the figure has its labels wrapped."""
    handles, labels = chart.axes.get_legend_handles_labels()
    if not handles:
        return

    def drawn(labels: Sequence[str]) -> Legend:
        return chart.figure.legend(
            handles, labels, loc="outside upper left", ncols=columns, frameon=False, labelcolor=LIGHT["ink"], fontsize=9
        )

    legend = drawn(labels)
    if legend.get_window_extent().width > chart.figure.bbox.width:
        legend.remove()
        drawn([textwrap.fill(label, WRAPPED) for label in labels])


def to_png(chart: Chart) -> bytes:
    """Returns the light PNG."""
    stream = io.BytesIO()
    chart.figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()


def to_svg(chart: Chart, name: str) -> str:
    """Returns an SVG element to stand in a page that has `css_variables`; the same input gives the same text.

    Args:
        chart: what to draw.
        name: starts every id, so that two charts of a page do not share any.
    """
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        chart.figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="tip-(\d+)">', lambda found: _tipped(*chart.tips[int(found[1])]), text)
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda found: f"{found[1]}{name}-", text)
    colours = {colour: role for role, colour in LIGHT.items()}
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: _variable(found[0], colours), text)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", f'<svg class="chart" role="img" aria-label="{escape(chart.label)}"', 1).strip()


def _tipped(text: str, key: str) -> str:
    """Returns the opening of a group that has a text; the title shows it where no program runs."""
    network = f' data-network="{escape(key)}"' if key else ""
    return f'<g class="tip" tabindex="0"{network}><title>{escape(text)}</title>'


def css_variables() -> str:
    """Returns the style rules that give every role its colour, in light and in dark."""

    def rules(colours: dict[str, str]) -> str:
        return ":root{" + "".join(f"--{role}:{colour};" for role, colour in colours.items()) + "}"

    return f"{rules(LIGHT)}\n@media (prefers-color-scheme:dark){{{rules(DARK)}}}"


def series_colour(index: int) -> str:
    """Returns the colour of the index-th curve; they repeat after eight."""
    return LIGHT[SERIES[index % len(SERIES)]]


def percent(values: Iterable[float]) -> list[float]:
    """Returns shares as percentages."""
    return [100.0 * float(value) for value in values]


def _variable(colour: str, roles: dict[str, str]) -> str:
    return f"var(--{roles[colour]})" if colour in roles else colour
