"""The frame of a report page and the few elements it is made of; every text that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nastk.reports.figures import css_variables
from nastk.reports.style import BACK, STYLE
from nastk.reports.tips import HASH, script

LONG = 32  # characters; a column of shorter texts is not broken

# Nothing is fetched, and nothing runs but `tips`; the policy holds that even if an escape were forgotten.
POLICY = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{HASH}'"


def page(title: str, body: Sequence[str]) -> str:
    """Returns a whole page that needs no other file; the parts of `body` are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css_variables()}\n{BACK}{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join([*(part for part in body if part), script()])
        + "\n</body>\n</html>\n"
    )


def header(title: str, subtitle: str) -> str:
    """Returns the page's heading."""
    return f"<header><h1>{escape(title)}</h1>{paragraph(subtitle, 'dim')}</header>"


def card(heading: str, *parts: str) -> str:
    """Returns a section with a heading; `parts` are HTML. Nothing where there are no parts."""
    content = "".join(parts)
    return f'<section class="card"><h2>{escape(heading)}</h2>{content}</section>' if content else ""


def folded(heading: str, content: str) -> str:
    """Returns a section that opens on a click; `content` is HTML."""
    return f'<details class="card"><summary>{escape(heading)}</summary>{content}</details>' if content else ""


def paragraph(text: str, kind: str = "") -> str:
    """Returns a paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def warning(text: str) -> str:
    """Returns a paragraph that stands out, of plain text."""
    return f'<div class="warning">{paragraph(text)}</div>'


def command(text: str) -> str:
    """Returns a command line, or any other verbatim text."""
    return f"<pre>{escape(text)}</pre>"


def facts(tiles: Sequence[tuple[str, str, str]]) -> str:
    """Returns large values below what they are and above what is to be known of them: triples of plain text."""
    cells = "".join(
        f'<div class="fact"><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(more)}</span></div>'
        for name, value, more in tiles
    )
    return f'<div class="facts">{cells}</div>'


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[int] = (0,),
    wrap: Sequence[int] = (),
    groups: Sequence[tuple[int, int, str]] = (),
    first: bool = False,
) -> str:
    """Returns a table of plain texts.

    Args:
        heads: names of the columns.
        rows: texts, one a column.
        left: columns of words, aligned left; numbers are aligned right.
        wrap: columns whose texts may break where they are long.
        groups: (first column, number of columns, heading) that cover all columns, above the names.
        first: whether the first row is the one that counts.
    """

    broken = {index for index in wrap if any(len(row[index]) > LONG for row in rows)}

    def kind(index: int) -> str:
        names = ["left"] * (index in left) + ["wrap"] * (index in broken)
        return f' class="{" ".join(names)}"' if names else ""

    top = "".join(f'<th class="group" colspan="{count}">{escape(name)}</th>' for _, count, name in groups)
    lines = [f"<tr>{top}</tr>"] if any(name for _, _, name in groups) else []
    lines.append(
        "<tr>" + "".join(f"<th{kind(index)}>{escape(name)}</th>" for index, name in enumerate(heads)) + "</tr>"
    )
    for number, row in enumerate(rows):
        cells = "".join(f"<td{kind(index)}>{escape(text)}</td>" for index, text in enumerate(row))
        lines.append(f'<tr class="first">{cells}</tr>' if first and number == 0 else f"<tr>{cells}</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'
