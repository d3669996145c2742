"""The frame of a report page and the few elements it is made of; every text that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nastk.reports.figures import css_variables

LONG = 32  # characters; a column of shorter texts is not broken

STYLE = """
*{box-sizing:border-box}
html{background:var(--back);color:var(--ink);color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:2.2rem 1.25rem 4rem;max-width:1120px;
 font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:1.7rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.12rem;margin:0 0 .7rem}
p{margin:.4rem 0}
.dim{color:var(--dim)}
.small{font-size:.86rem}
.card{background:var(--paper);border:1px solid var(--grid);border-radius:12px;padding:1.1rem 1.25rem;margin:1.1rem 0 0}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 1.1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:1rem}
.fact b{display:block;font-size:1.45rem;line-height:1.25;font-weight:650;overflow-wrap:anywhere}
.fact span{color:var(--dim);font-size:.86rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.38rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th{color:var(--dim);font-weight:600;font-size:.86rem}
th.group{text-align:center}
tr:last-child td{border-bottom:0}
.left{text-align:left}
td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:10rem}
tr.first td{font-weight:650}
svg.chart{display:block;width:100%;height:auto}
.cells{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem}
.cells svg{display:block;max-width:100%;height:auto}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86rem}
pre{margin:.35rem 0;padding:.6rem .8rem;background:var(--back);border:1px solid var(--grid);border-radius:8px;
 overflow-x:auto}
.warning{border-left:4px solid var(--chosen);padding:.1rem 0 .1rem .8rem;margin:.6rem 0}
summary{cursor:pointer;font-weight:600;font-size:1.12rem}
summary+*{margin-top:.7rem}
.bar{display:flex;height:12px;border-radius:6px;overflow:hidden;margin:.2rem 0 .8rem}
.bar i{display:block}
@media (max-width:860px){.pair{grid-template-columns:1fr}}
@media print{.card{break-inside:avoid}}
"""
BACK = ":root{--back:#f5f7f9}@media (prefers-color-scheme:dark){:root{--back:#10151b}}"
# Nothing in the page runs or is fetched; the policy holds that even if an escape were forgotten.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title: str, body: Sequence[str]) -> str:
    """Returns a whole page that needs no other file; the parts of `body` are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css_variables()}\n{BACK}{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
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


def command(text: str) -> str:
    """Returns a command line, or any other verbatim text."""
    return f"<pre>{escape(text)}</pre>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Returns large values with what they are below: (value, name) pairs of plain text."""
    cells = "".join(
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for value, name in pairs
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
