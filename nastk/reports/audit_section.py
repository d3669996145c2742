"""The section on the fidelity audit: the search's accuracy against that of longer training, and what follows."""

from __future__ import annotations

from nastk.reports.figures import LIGHT, Chart, new_chart, to_svg
from nastk.reports.page import card, paragraph, table
from nastk.reports.table_text import SHOWN_KEY, share
from nastk.reports.worth import BY_ACCURACY, BY_SCORE
from nastk.runs.audit import Audit

HEADING = "Does the search rank cells, or noise?"
MOST_SHOWN = 24
LABEL = 6
NOTE = (
    "Kendall's tau is 1 where both trainings order the cells alike and about 0 where the order is chance. The cells "
    "are spread over the search's ranking, which makes tau higher than for as many drawn at random; the interval "
    "allows for that and is for cells of the kind that the search trained."
)


def audit_section(audit: Audit | None) -> str:
    """Returns the sentence, the scatter and the table; empty where no audit was begun."""
    if audit is None:
        return ""
    told = audit.sentence if audit.finished else _unfinished(audit)
    chart = to_svg(audit_chart(audit), "audit") if audit.trained else ""
    cells = f"<div>{_cells(audit)}{paragraph(_trainings(audit), 'dim small')}</div>"
    return card(HEADING, paragraph(told), f'<div class="pair">{chart}{cells}</div>', paragraph(NOTE, "dim small"))


def audit_chart(audit: Audit) -> Chart:
    """Draws each cell's accuracy after longer training against its accuracy, or its score, in the search."""
    cells, worth = audit.trained, BY_SCORE if audit.scored else BY_ACCURACY
    trained = "training" if audit.scored else "longer training"
    chart = new_chart(
        worth.axis,
        f"accuracy after {trained} (%)",
        f"Accuracy after {trained} against the {worth.name} in the search, {len(cells)} cells",
    )
    for index, cell in enumerate(cells):
        x, y = worth.factor * cell.worth, 100 * (cell.mean("longer") or 0.0)
        told = f"{worth.told({worth.metric: cell.worth})} in the search, {y:.2f} % after {trained}"
        tip = f"trial {cell.number}, {told}, {cell.key[:SHOWN_KEY]}"
        chart.axes.plot(
            [x], [y], linestyle="none", marker="o", markersize=7, color=LIGHT["front"], zorder=3, gid=chart.tip(tip)
        )
        if len(cells) <= MOST_SHOWN:
            chart.axes.annotate(
                cell.key[:LABEL],
                (x, y),
                xytext=(0, -13 if index % 2 else 6),  # neighbours in the ranking stay readable
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=LIGHT["dim"],
            )
    chart.axes.margins(0.1)
    return chart


def _unfinished(audit: Audit) -> str:
    return (
        f"The audit is not finished: {len(audit.trained)} of {len(audit.cells)} cells are trained longer. The same "
        "command goes on."
    )


def _cells(audit: Audit) -> str:
    lines = [
        [
            cell.key[:SHOWN_KEY],
            f"{cell.rank + 1} of {audit.candidates}",
            share(cell.accuracy) if cell.score is None else f"{cell.score:.5g}",
            "failed" if cell.key in audit.failed else share(cell.mean("longer")),
            share(cell.mean("again")),
        ]
        for cell in audit.cells[:MOST_SHOWN]
    ]
    heads = ["cell", "rank", "score" if audit.scored else "search (%)"]
    heads += ["trained (%)" if audit.scored else "longer (%)", "again (%)"]
    keep = [index for index in range(len(heads)) if index < 4 or any(cell.again for cell in audit.cells)]
    left_out = len(audit.cells) - len(lines)
    more = paragraph(f"and {left_out} more cells in audit.json", "dim small") if left_out else ""
    grid = table([heads[index] for index in keep], [[line[index] for index in keep] for line in lines])
    return grid + more


def _trainings(audit: Audit) -> str:
    longer = "longer: the test accuracy of the table"
    if audit.epochs is not None:
        longer = f"longer: {audit.settings.get('epochs')} epochs in place of {audit.epochs}"
    elif audit.scored:
        longer = f"trained: for {audit.settings.get('epochs')} epochs; score: of the untrained network"
    if audit.settings.get("all_images"):
        longer += ", on all training images"
    again = "; again: the search's own setting with another seed" if audit.settings.get("noise") else ""
    return f"Accuracy on held-out images; {longer}{again}."
