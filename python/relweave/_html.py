"""Small tables as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Head and rows, as `table` and `text_table` take them."""

# Greys that read on white and on black; `!important` where notebooks style all tables.
STYLE = (
    "<style>.relweave{border-collapse:collapse;font:14px/1.4 system-ui,sans-serif}"
    ".relweave caption{text-align:left!important;font-weight:600;padding:.2em .8em}"
    ".relweave td,.relweave th{padding:.2em .8em!important;"
    "border-bottom:1px solid rgba(128,128,128,.35)!important;"
    "text-align:right!important;font-variant-numeric:tabular-nums}"
    ".relweave .text{text-align:left!important}</style>"
)


def cell(value: Any) -> str:
    """Format one value for people: thousands separated, four significant decimals."""
    if value is None:
        return "-"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4f}"
    return str(value)


def label(name: str) -> str:
    """Return a field name as words."""
    return name.replace("_", " ")


def pairs(values: Mapping[str, Any], caption: str = "") -> str:
    """Return names and values as an HTML table of two columns."""
    return table([], [[label(name), value] for name, value in values.items()], caption)


def text_pairs(values: Mapping[str, Any]) -> str:
    """Return names and values as aligned lines."""
    width = max(map(len, values), default=0)
    return "\n".join(f"{label(name):<{width}}  {cell(value)}" for name, value in values.items())


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """Return an HTML table, text to the left and numbers to the right; all text is escaped."""
    left = _of_text(rows, len(head) or max(map(len, rows), default=0))

    def line(tag: str, values: Sequence[Any]) -> str:
        cells = (
            f"<{tag}{' class=text' if text else ''}>{html.escape(cell(value))}</{tag}>"
            for value, text in zip(values, left, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    top = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    if head:
        top += f"<thead>{line('th', head)}</thead>"
    body = "".join(line("td", row) for row in rows)
    return f"{STYLE}<table class='relweave'>{top}<tbody>{body}</tbody></table>"


def text_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return aligned columns: the first and those of text to the left, numbers to the right."""
    cells = [list(head), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[c]) for row in cells) for c in range(len(head))]
    left = _of_text(rows, len(head))
    lines = [
        "  ".join(
            f"{value:<{width}}" if text else f"{value:>{width}}"
            for value, width, text in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _of_text(rows: Sequence[Sequence[Any]], width: int) -> list[bool]:
    """Return which columns go to the left: the first and those that hold nothing but text."""
    return [c == 0 or all(isinstance(row[c], str) for row in rows) for c in range(width)]
