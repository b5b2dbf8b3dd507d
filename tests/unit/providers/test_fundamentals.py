"""Figures out of a CSV file: exact, with their time of filing, or refused by line and column."""

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from investlab.core.errors import InvalidInput
from investlab.providers.fundamentals import COLUMNS, read_fundamentals

HEADER = ",".join(COLUMNS)
GOOD = "AAA,book_equity,2019-12-31,600000000.10,USD,2020-02-03T16:30:00-05:00,10-K"


def read(tmp_path: Path, *lines: str) -> list[tuple[int, object]]:
    path = tmp_path / "figures.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [(figure.line, figure.draft) for figure in read_fundamentals(path)]


def test_figures_are_read_as_they_are_written(tmp_path: Path) -> None:
    restated = "AAA,book_equity,2019-12-31,590000000,USD,2020-06-01T12:00:00Z,10-K/A"
    shares = "AAA,shares_outstanding,2020-01-24,1e7,,2020-02-03T16:30:00-05:00,10-K"
    (first, one), (second, two), (_, three) = read(tmp_path, HEADER, GOOD, restated, shares)
    assert (first, one.symbol, one.metric, one.period_end) == (2, "AAA", "book_equity", date(2019, 12, 31))
    assert (one.value, one.currency, one.source) == (Decimal("600000000.10"), "USD", "10-K")
    assert one.known_at == datetime(2020, 2, 3, 21, 30, tzinfo=UTC)
    assert (second, two.value, two.known_at) == (3, Decimal(590000000), datetime(2020, 6, 1, 12, tzinfo=UTC))
    assert (three.value, three.currency) == (Decimal("1e7"), "")


def test_columns_may_stand_in_any_order_and_the_file_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "figures.csv.gz"
    turned = ",".join(reversed(COLUMNS)) + "\n" + ",".join(reversed(GOOD.split(","))) + "\n"
    path.write_bytes(gzip.compress(turned.encode()))
    assert read_fundamentals(path)[0].draft.value == Decimal("600000000.10")


def test_the_same_row_twice_is_no_contradiction(tmp_path: Path) -> None:
    assert len(read(tmp_path, HEADER, GOOD, GOOD)) == 2


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("symbol", "", "it is empty"),
        ("metric", "", "it is empty"),
        ("metric", "Book Equity", "no name of a metric"),
        ("metric", "close", "no name of a metric"),
        ("period_end", "31.12.2019", "is no date"),
        ("period_end", "2019-12-32", "is no date"),
        ("value", "", "it is empty"),
        ("value", "1 000", "is no number"),
        ("value", "NaN", "is no number"),
        ("value", "1e999", "is no number"),
        ("value", "(5)", "is no number"),
        ("currency", "usd", "no currency"),
        ("currency", "", "is money and needs one"),
        ("filed_at", "2020-02-03", "does not say its zone"),
        ("filed_at", "2020-02-03T16:30:00", "does not say its zone"),
        ("filed_at", "3 February", "is no time"),
        ("filed_at", "2019-12-30T12:00:00Z", "before the period ends"),
        ("source", " ", "it is empty"),
    ],
)
def test_a_cell_that_is_not_written_so_is_refused(tmp_path: Path, column: str, text: str, said: str) -> None:
    cells = {**dict(zip(COLUMNS, GOOD.split(","), strict=True)), column: text}
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, HEADER, GOOD, ",".join(cells.values()))
    assert caught.value.detail.startswith(f"figures.csv, line 3, column '{column}':")
    assert said in caught.value.detail


def test_a_share_count_has_no_currency(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="line 2, column 'currency': shares_outstanding is no money"):
        read(tmp_path, HEADER, "AAA,shares_outstanding,2020-01-24,1,USD,2020-02-03T16:30:00Z,10-K")


def test_two_values_filed_at_one_time_contradict_each_other(tmp_path: Path) -> None:
    other = GOOD.replace("600000000.10", "5").replace("16:30:00-05:00", "21:30:00Z")
    with pytest.raises(InvalidInput, match="line 3, column 'value': line 2 tells another book_equity of AAA"):
        read(tmp_path, HEADER, GOOD, other)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HEADER.replace("filed_at", "filed"), "column 'filed_at': there is no such column.*filed"),
        (f"{HEADER},note", "column 'note': it is none of the columns"),
        (f"{HEADER},value", "column 'value': the header names it twice"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(tmp_path, header)
