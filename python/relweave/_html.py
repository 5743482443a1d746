"""Small tables as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Head and rows, as `table` and `text_table` take them."""

STYLE = (
    "<style>.relweave{border-collapse:collapse;font:14px/1.4 system-ui,sans-serif}"
    ".relweave td,.relweave th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}"
    ".relweave td:first-child,.relweave th:first-child{text-align:left}</style>"
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


def pairs(values: Mapping[str, Any]) -> str:
    """Return names and values as an HTML table of two columns."""
    rows = [[label(name), value] for name, value in values.items()]
    return table([], rows)


def text_pairs(values: Mapping[str, Any]) -> str:
    """Return names and values as aligned lines."""
    width = max(map(len, values), default=0)
    return "\n".join(f"{label(name):<{width}}  {cell(value)}" for name, value in values.items())


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return an HTML table; all text is escaped."""
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    thead = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f"{STYLE}<table class='relweave'>{thead}<tbody>{body}</tbody></table>"


def text_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return aligned text columns: the first to the left, the others to the right."""
    cells = [list(head), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[c]) for row in cells) for c in range(len(head))]
    lines = [
        "  ".join(
            f"{value:<{width}}" if c == 0 else f"{value:>{width}}"
            for c, (value, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)
