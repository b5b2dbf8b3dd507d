"""Figures from companies' reports out of a CSV file, restatements among them; read as strictly as bars are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from investlab.core.errors import InvalidInput, NotFound
from investlab.providers.file_blocks import Place, refusal
from investlab.providers.file_text import text_blocks
from investlab.schemas.files import TextRule
from investlab.schemas.fundamentals import FundamentalDraft
from investlab.schemas.market import BAR_FIELDS

COLUMNS = ("symbol", "metric", "period_end", "value", "currency", "filed_at", "source")
MONEY = frozenset({"book_equity", "net_income_ttm"})
COUNTS = frozenset({"shares_outstanding"})
METRIC = re.compile(r"[a-z][a-z0-9_]*")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class FiledFigure:
    """A figure and the line of the file it was read from."""

    line: int
    draft: FundamentalDraft


def read_fundamentals(path: Path) -> list[FiledFigure]:
    """Return the figures of a CSV file (UTF-8, or what its byte order mark says; also .gz) in its order.

    Its columns are symbol, metric (plain_words), period_end (2023-12-31), value (a decimal point, no thousands
    separators), currency (USD; empty for what is no money), filed_at (with its offset: 2024-02-01T16:30:00-05:00) and
    source. A restatement is a further row with a later filed_at.

    Raises:
        InvalidInput: A row is not written so, contradicts another, or was filed before its period ended; file, line
            and column are named.
        StorageUnavailable: The file cannot be read.
    """
    found: list[FiledFigure] = []
    told: dict[tuple[str, str, date, datetime], FiledFigure] = {}
    for line, cells in _rows(path):
        figure = FiledFigure(line, _Row(path.name, line, cells).draft())
        draft = figure.draft
        other = told.setdefault((draft.symbol, draft.metric, draft.period_end, draft.known_at), figure)
        if (other.draft.value, other.draft.currency) != (draft.value, draft.currency):
            raise refusal(
                Place(path.name, line, "value"),
                f"line {other.line} tells another {draft.metric} of {draft.symbol} for {draft.period_end}, "
                "filed at the same time",
                "Keep one of them, or give the restatement its own, later filed_at.",
            )
        found.append(figure)
    return found


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    for block in text_blocks(path, path.name, TextRule()):
        for name in COLUMNS:
            if name not in block.columns:
                near = NotFound.named("column", name, block.columns)
                raise refusal(Place(path.name, 1, name), "there is no such column", near.remedy)
        others = [name for name in block.columns if name not in COLUMNS]
        if others:
            raise refusal(
                Place(path.name, 1, others[0]), "it is none of the columns of figures", f"Use {', '.join(COLUMNS)}."
            )
        columns = [pa.array(block.columns[name]).to_pylist() for name in COLUMNS]
        for line, *cells in zip(block.lines, *columns, strict=True):
            yield line, dict(zip(COLUMNS, cells, strict=True))


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of one row, and where it stands."""

    file: str
    line: int
    cells: Mapping[str, str]

    def draft(self) -> FundamentalDraft:
        """Return the row's figure."""
        metric, period_end, known_at = self._metric(), self._period_end(), self._filed_at()
        if known_at.date() < period_end:
            raise self._refusal("filed_at", f"it lies before the period ends on {period_end}", "Correct one of them.")
        return FundamentalDraft(
            symbol=self._text("symbol"),
            metric=metric,
            period_end=period_end,
            value=self._value(),
            currency=self._currency(metric),
            known_at=known_at,
            source=self._text("source"),
        )

    def _refusal(self, column: str, what: str, remedy: str) -> InvalidInput:
        return refusal(Place(self.file, self.line, column), what, remedy)

    def _text(self, column: str) -> str:
        text = self.cells[column].strip()
        if not text:
            raise self._refusal(column, "it is empty", "Fill it.")
        return text

    def _metric(self) -> str:
        text = self._text("metric")
        if not METRIC.fullmatch(text) or text in BAR_FIELDS:
            raise self._refusal("metric", f"{text!r} is no name of a metric", "Write it like net_income_ttm.")
        return text

    def _period_end(self) -> date:
        text = self._text("period_end")
        try:
            found = date.fromisoformat(text) if DAY.fullmatch(text) else None
        except ValueError:
            found = None
        if found is None:
            raise self._refusal("period_end", f"{text!r} is no date", "Write it as 2023-12-31.")
        return found

    def _filed_at(self) -> datetime:
        text = self._text("filed_at")
        remedy = "Write date, time and offset, as in 2024-02-01T16:30:00-05:00 or …Z."
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._refusal("filed_at", f"{text!r} is no time", remedy) from error
        if moment.tzinfo is None:
            raise self._refusal("filed_at", f"{text!r} does not say its zone", remedy)
        return moment

    def _value(self) -> Decimal:
        text = self._text("value")
        if not NUMBER.fullmatch(text):
            raise self._refusal("value", f"{text!r} is no number", "Use a decimal point and no separators.")
        return Decimal(text)

    def _currency(self, metric: str) -> str:
        text = self.cells["currency"].strip()
        if text and not CURRENCY.fullmatch(text):
            raise self._refusal("currency", f"{text!r} is no currency", "Write it like USD.")
        if metric in MONEY and not text:
            raise self._refusal("currency", f"a {metric} is money and needs one", "Write it like USD.")
        if metric in COUNTS and text:
            raise self._refusal("currency", f"{metric} is no money and has none", "Leave it empty.")
        return text
