"""What commands print: tables for people, JSON for programs, stages of work on standard error."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

THOUSAND = 1000
WIDE = 160
"""Columns of output that goes to a file or a program."""

NUMBER = re.compile(r"[+\-−–]?[\d,]*\.?\d*(e[+-]?\d+)?%?|None")
STYLE: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
"""How every command group is made."""


@dataclass(slots=True)
class Output:
    """How this process prints."""

    as_json: bool = False


output = Output()


def say(text: str) -> None:
    """Tell a person about a stage of work, on standard error."""
    if text:
        print(text, file=sys.stderr, flush=True)


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table, a single one as a list of its fields, or all as JSON."""
    if output.as_json:
        print(json.dumps([{key: _plain(value) for key, value in row.items()} for row in rows], indent=2))
    elif not rows:
        print("Nothing to show yet.")
    elif len(rows) == 1:
        table = Table(show_header=False, box=None)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for key, value in rows[0].items():
            table.add_row(f"[bold]{escape(key)}[/bold]", text(value))
        _console().print(table)
    else:
        table = Table(header_style="bold", box=None)
        for name in rows[0]:
            numbers = all(NUMBER.fullmatch(str(row[name])) for row in rows)
            table.add_column(escape(name), justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(text(value) for value in row.values()))
        _console().print(table)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def text(value: Any) -> str:
    """Return a value as people read it, safe to print as markup."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < THOUSAND else f"{value:,.0f}"
    return escape(str(value))


def records(frame: Any) -> list[dict[str, Any]]:
    """Return a frame's rows as dictionaries with None where a value is missing."""
    found: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
    return found


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
