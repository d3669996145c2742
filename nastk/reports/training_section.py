"""How the networks learned in the transfer: training loss an epoch, and accuracy on held-out images on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from nastk.checks import is_number
from nastk.errors import UserError
from nastk.outside import read_json
from nastk.reports.figures import Chart, add_legend, new_chart, series_colour, to_svg
from nastk.reports.page import card, paragraph
from nastk.reports.table_text import SHOWN_KEY
from nastk.runs.contents import Run
from nastk.runs.learning_curves import read_curves

MOST = 8
LINES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
NOTE = (
    "Training loss is that of augmented images, with whatever the recipe mixes and smooths, so it may stay well above "
    "what the test images give. Held-out accuracy is that of the averaged network at the rungs where networks are "
    "compared, and at the end."
)
Curve = list[tuple[int, float]]


def training_section(run: Run) -> str:
    """Returns the section; empty where nothing was recorded of a training.

    Raises:
        UserError: a file is damaged.
    """
    charts = []
    losses, scores = read_curves(run.folder), _held_out(run)
    # Those that were trained longest first; a network looks the same in both charts.
    reach = {
        key: max(point[0] for part in (losses, scores) for point in part.get(key, ())) for key in {**losses, **scores}
    }
    shown = sorted(reach, key=lambda key: (-reach[key], key))[:MOST]
    if any(len(curve) > 1 for curve in losses.values()):
        charts.append(to_svg(_chart(run, shown, losses, "training loss", "Training loss after each epoch"), "loss"))
    if any(len(curve) > 1 for curve in scores.values()):
        charts.append(
            to_svg(_chart(run, shown, scores, "held-out accuracy (%)", "Accuracy on held-out images"), "rungs")
        )
    if not charts:
        return ""
    drawn = "".join(f"<div>{chart}</div>" for chart in charts)
    return card("Training in full", f'<div class="pair">{drawn}</div>', paragraph(NOTE, "dim small"))


def _chart(run: Run, shown: Sequence[str], curves: Mapping[str, Curve], axis: str, label: str) -> Chart:
    """Draws a line a network, told apart by dashes and markers too."""
    chart = new_chart("epoch", axis, label)
    for index, key in enumerate(shown):
        curve = curves.get(key)
        if not curve:
            continue
        xs, ys = zip(*curve, strict=True)
        name = run.baselines.get(key) or key[:SHOWN_KEY]
        few = len(curve) < 30
        chart.axes.plot(
            xs,
            ys,
            color=series_colour(index),
            linestyle=LINES[index % len(LINES)],
            marker=MARKERS[index % len(MARKERS)] if few else "",
            markersize=4,
            linewidth=1.8,
            label=name,
        )
    chart.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(chart)
    return chart


def _held_out(run: Run) -> dict[str, Curve]:
    """Returns (epochs, percent) by key: of the rungs, and of the end where it is known."""
    found: dict[str, Curve] = {}
    for path in sorted(run.folder.glob("transfer/[!.]*/rungs.json")):
        data = read_json(path)
        rungs = data.get("rungs") if isinstance(data, dict) else None
        if not isinstance(rungs, list):
            raise UserError(f"{path}: rungs {rungs!r:.60}, expected a list; damaged")
        last = run.transfers.get(path.parent.name, {})
        points = {
            int(entry["epochs"]): 100.0 * entry["validation_accuracy"]
            for entry in (*rungs, last)
            if isinstance(entry, Mapping)
            and is_number(entry.get("epochs"))
            and is_number(entry.get("validation_accuracy"))
        }
        if points:
            found[path.parent.name] = sorted(points.items())
    return found
