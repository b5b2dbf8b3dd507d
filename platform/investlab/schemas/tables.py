"""Small tables by which records show themselves in a notebook; all text is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

STYLE = "font:13px/1.5 system-ui,sans-serif;border-collapse:collapse;font-variant-numeric:tabular-nums"
_LABEL = "text-align:left;padding-right:1.2em;opacity:.75;white-space:nowrap"
_VALUE = "text-align:left;overflow-wrap:anywhere"
_NUMBER = "text-align:right"


def fact_table(title: str, facts: Iterable[tuple[str, str]]) -> str:
    """Return HTML of a title and a line for each fact."""
    head = f'<tr><th colspan="2" style="text-align:left">{escape(title)}</th></tr>'
    rows = "".join(
        f'<tr style="vertical-align:top"><td style="{_LABEL}">{escape(name)}</td>'
        f'<td style="{_VALUE}">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return f'<table style="{STYLE}">{head}{rows}</table>'


def row_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return HTML of rows under columns: the first one is text, the others are numbers."""
    aligned = [_VALUE, *[_NUMBER] * (len(columns) - 1)]
    head = "".join(f'<th style="{style}">{escape(name)}</th>' for name, style in zip(columns, aligned, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{style}">{escape(cell)}</td>' for cell, style in zip(row, aligned, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<table style="{STYLE}"><tr>{head}</tr>{body}</table>'
