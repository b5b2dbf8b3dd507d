"""Draws docs/schema.svg, every table of the database, from the model itself.

    python docs/draw_schema.py            writes the picture
    python docs/draw_schema.py --check    says whether it is up to date

Colours are those of Okabe and Ito, which people who see colours otherwise tell apart; areas are also named.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table

from investlab.models.core import Base

FILE = Path(__file__).with_name("schema.svg")
AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Catalog": ("catalog", ("venues", "instruments", "instrument_identifiers", "change_marks")),
    "Market data": (
        "data",
        ("datasets", "dataset_versions", "dataset_pins", "ingest_runs", "corporate_actions", "fundamental_facts"),
    ),
    "Universes": ("catalog", ("universes", "universe_members")),
    "Backtests": ("runs", ("backtest_runs", "backtest_trials")),
    "Models": ("models", ("training_runs", "model_versions", "model_aliases")),
    "Pipelines and replay": ("runs", ("pipeline_runs", "pipeline_steps", "replay_passes")),
    "People, audit, messages": ("people", ("users", "api_keys", "audit_events", "outbox")),
}
PAGE_COLUMNS = (
    ("Catalog", "Universes"),
    ("Market data",),
    ("Backtests", "Models"),
    ("Pipelines and replay", "People, audit, messages"),
)
BOX, GAP, ROW, HEAD, EDGE, TOP = 268, 40, 15, 22, 24, 78


@dataclass(frozen=True, slots=True)
class Placed:
    """A table at its place on the page."""

    table: Table
    colour: str
    x: int
    y: int

    @property
    def height(self) -> int:
        """Return the height of the box."""
        return HEAD + ROW * len(self.table.columns) + 6


STYLE = """
    .page { fill: #ffffff; }
    .box { fill: #f6f8fa; stroke: #c3cad2; }
    .catalog { fill: #0072b2; } .data { fill: #007a5a; } .runs { fill: #b34700; } .models { fill: #8f4b7d; }
    .people { fill: #5b6470; }
    .link { fill: none; stroke: #8a94a0; stroke-width: 1; opacity: 0.55; }
    .link-end { fill: #8a94a0; }
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1a1f26; }
    .title { font-size: 20px; font-weight: 600; }
    .note { font-size: 12px; fill: #4a535e; }
    .area { font-size: 13px; font-weight: 600; fill: #4a535e; }
    .table { font-size: 12px; font-weight: 600; fill: #ffffff; }
    .column { font-size: 11px; }
    .type { font-size: 10px; fill: #5a6470; text-anchor: end; }
    .key { font-weight: 600; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #14181d; }
      .box { fill: #1b232b; stroke: #39424d; }
      text { fill: #e6eaef; }
      .catalog { fill: #1f78b4; } .data { fill: #0f8468; } .runs { fill: #bf5a1d; } .models { fill: #9a5b8a; }
      .people { fill: #66707c; }
      .link { stroke: #7d8894; }
      .link-end { fill: #7d8894; }
      .note, .area, .type { fill: #aab4bf; }
      .table { fill: #ffffff; }
    }
"""


def draw() -> str:
    """Return the picture as SVG; the same model always gives the same text.

    Raises:
        SystemExit: A table of the model has no place in the picture.
    """
    placed = {spot.table.name: spot for spot in _placed()}
    missing = sorted(set(Base.metadata.tables) - set(placed))
    if missing:
        raise SystemExit(f"{', '.join(missing)} has no area: add it to AREAS in {FILE.with_suffix('.py').name}.")
    width = 2 * EDGE + 4 * BOX + 3 * GAP
    height = max(spot.y + spot.height for spot in placed.values()) + EDGE
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-labelledby="title description">',
        '  <title id="title">The tables of the investlab database</title>',
        f'  <desc id="description">{len(placed)} tables with their columns. {_described()}</desc>',
        f"  <style>{STYLE}  </style>",
        '  <defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
        '<path class="link-end" d="M0 0 6 3 0 6z"/></marker></defs>',
        f'  <rect class="page" width="{width}" height="{height}"/>',
        f'  <text class="title" x="{EDGE}" y="32">The database: {len(placed)} tables</text>',
        f'  <text class="note" x="{EDGE}" y="52">Bold: keys and what refers to them (→). ? may be empty. Bars are not '
        "here: they lie in Delta tables that dataset_versions names.</text>",
        *(line for spot in placed.values() for line in _links(spot, placed)),
        *_areas(placed),
        *(line for spot in placed.values() for line in _box(spot)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _placed() -> Iterator[Placed]:
    for number, areas in enumerate(PAGE_COLUMNS):
        y = TOP
        for area in areas:
            colour, names = AREAS[area]
            y += 18
            for name in names:
                spot = Placed(Base.metadata.tables[name], colour, EDGE + number * (BOX + GAP), y)
                yield spot
                y += spot.height + 16
            y += 10


def _areas(placed: dict[str, Placed]) -> Iterator[str]:
    for area, (_, names) in AREAS.items():
        first = placed[names[0]]
        yield f'  <text class="area" x="{first.x}" y="{first.y - 6}">{escape(area)}</text>'


def _box(spot: Placed) -> Iterator[str]:
    x, y = spot.x, spot.y
    yield f'  <g id="table-{spot.table.name}">'
    yield f'    <rect class="box" x="{x}" y="{y}" width="{BOX}" height="{spot.height}" rx="4"/>'
    yield f'    <path class="{spot.colour}" d="M{x} {y + HEAD}v-{HEAD - 4}q0-4 4-4h{BOX - 8}q4 0 4 4v{HEAD - 4}z"/>'
    yield f'    <text class="table" x="{x + 8}" y="{y + 15}">{spot.table.name}</text>'
    for number, column in enumerate(spot.table.columns):
        base = y + HEAD + ROW * number + 13
        key = " key" if column.primary_key or column.foreign_keys else ""
        name = f"{column.name}?" if column.nullable else column.name
        yield f'    <text class="column{key}" x="{x + 8}" y="{base}">{name}</text>'
        yield f'    <text class="type" x="{x + BOX - 8}" y="{base}">{escape(_kind(column))}</text>'
    yield "  </g>"


def _kind(column: Column[Any]) -> str:
    """Return what a column holds, or to which table it refers."""
    for key in column.foreign_keys:
        return f"→ {key.column.table.name}"
    kind = type(column.type).__name__
    names = {"ExactDecimal": "exact decimal", "UtcDateTime": "moment", "Document": "document", "Choice": "choice"}
    return names.get(kind, {"BigInteger": "integer", "Double": "float"}.get(kind, kind.lower()))


def _links(spot: Placed, placed: dict[str, Placed]) -> Iterator[str]:
    """Give a curve from every reference to the head of the table that it refers to."""
    for number, column in enumerate(spot.table.columns):
        for key in column.foreign_keys:
            target = placed[key.column.table.name]
            start, end = spot.y + HEAD + ROW * number + 9, target.y + HEAD // 2
            if target.x > spot.x:
                left, right, bend = spot.x + BOX, target.x, GAP
            elif target.x < spot.x:
                left, right, bend = spot.x, target.x + BOX, -GAP
            else:
                left, right, bend = spot.x, spot.x, -GAP // 2
            back = -bend if target.x != spot.x else bend
            curve = f"M{left} {start}C{left + bend} {start} {right + back} {end} {right} {end}"
            yield f'  <path class="link" marker-end="url(#tip)" d="{curve}"/>'


def _described() -> str:
    return " ".join(f"{area}: {', '.join(names)}." for area, (_, names) in AREAS.items())


def main() -> int:
    """Write the picture, or with `--check` compare it; return the exit code."""
    drawn = draw()
    if "--check" in sys.argv[1:]:
        return 0 if FILE.exists() and FILE.read_text(encoding="utf-8") == drawn else 1
    FILE.write_text(drawn, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
