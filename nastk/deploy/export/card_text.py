"""Text for Markdown that pages show as it is: tables, names, code."""

from __future__ import annotations

from html import escape


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Returns a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ("---",) * len(head), *rows])


def text(value: object) -> str:
    """Returns text that Markdown and HTML take as it is: names come from folders and may hold anything."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())
    return escape("".join(f"\\{sign}" if sign in "\\`*_[]|#" else sign for sign in plain), quote=False)


def code(value: object) -> str:
    """Returns a name in the font of code; one that a page could take for HTML is escaped, which backticks do not do."""
    plain = "".join(sign if sign.isprintable() and sign not in "`|" else "?" for sign in str(value))
    return f"<code>{text(plain)}</code>" if any(sign in plain for sign in "<>&") else f"`{plain}`"
