"""Reading bars: what a query leaves out is not read, and corrections replace what they correct."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from investlab.core.errors import Corrupt
from investlab.store.bar_files import active_data_files
from investlab.store.bar_reading import BarSource
from investlab.store.bar_tables import BarQuery
from investlab.store.market import MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars

COLUMNS = ("instrument_id", "session", "close")


def stored(root: Path, batches: list[pd.DataFrame]) -> BarSource:
    """Return the source of a store that was given batches, one day after the other."""
    market, pin = MarketStore(root), None
    for number, bars in enumerate(batches):
        at = INGESTED_AT + timedelta(days=number)
        with market.writing("bars"):
            pin = market.append("bars", bars, acknowledged=pin, ingested_at=at).pin
    return market.source("bars", pin or VersionPin(-1))


def told_last(batches: list[pd.DataFrame], as_of: datetime | None) -> pd.DataFrame:
    """Return what a plain dictionary of what was told last says, ordered."""
    known: dict[tuple[int, pd.Timestamp], float] = {}
    for number, bars in enumerate(batches):
        received = INGESTED_AT + timedelta(days=number)
        for row in bars.itertuples(index=False):
            key = (int(row.instrument_id), row.session)
            fresh = key not in known and row.known_at.to_pydatetime() <= (as_of or received)
            if fresh or (key in known and (as_of is None or received <= as_of)):
                known[key] = float(row.close)
    rows = [(*key, close) for key, close in sorted(known.items())]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@st.composite
def histories(draw: st.DrawFn) -> list[pd.DataFrame]:
    """Draw a first batch over the turn of a year, and later ones that change some closes of it."""
    first = make_bars(instrument_ids=(3, 1, 2), first="2019-12-27", sessions=6)
    batches = [first]
    for _ in range(draw(st.integers(0, 3))):
        rows = draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=5, unique=True))
        changed = first.iloc[rows].reset_index(drop=True)
        batches.append(changed.assign(close=changed["close"] + draw(st.sampled_from([1.0, 2.0, 4.0]))))
    return batches


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=histories(), days=st.none() | st.integers(-1500, 3), ordered=st.booleans())
def test_each_bar_is_read_as_it_was_last_known(
    tmp_path_factory: pytest.TempPathFactory, batches: list[pd.DataFrame], days: int | None, ordered: bool
) -> None:
    as_of = None if days is None else INGESTED_AT + timedelta(days=days)
    source = stored(tmp_path_factory.mktemp("market"), batches)
    found = source.rows(BarQuery(as_of=as_of), COLUMNS, ordered=ordered).to_pandas(date_as_object=False)
    found = found if ordered else found.sort_values(["instrument_id", "session"], ignore_index=True)
    expected = told_last(batches, as_of)
    assert found["instrument_id"].tolist() == expected["instrument_id"].tolist()
    assert found["close"].tolist() == expected["close"].tolist()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        pytest.param(BarQuery(instrument_ids=(2,)), 8, id="instrument"),
        pytest.param(BarQuery(instrument_ids=(2, 9)), 8, id="unknown-instrument"),
        pytest.param(BarQuery(instrument_ids=()), 0, id="no-instrument"),
        pytest.param(BarQuery(start=date(2020, 1, 1)), 10, id="start"),
        pytest.param(BarQuery(end=date(2019, 12, 31)), 6, id="end"),
        pytest.param(BarQuery((1,), date(2019, 12, 31), date(2020, 1, 1)), 2, id="all"),
        pytest.param(BarQuery(start=date(2021, 1, 1)), 0, id="later"),
    ],
)
def test_only_rows_asked_for_are_read(tmp_path: Path, query: BarQuery, rows: int) -> None:
    source = stored(tmp_path, [make_bars(first="2019-12-27", sessions=8)])
    assert source.rows(query, COLUMNS).num_rows == rows


def test_files_that_cannot_hold_what_is_asked_for_are_not_opened(tmp_path: Path) -> None:
    source = stored(tmp_path, [make_bars(first="2019-12-27", sessions=8)])
    table = source.folder / "bars"
    old = next(file for file in active_data_files(table, 0) if file.year == 2019)
    content = (table / old.name).read_bytes()
    (table / old.name).write_bytes(b"x" * len(content))
    assert source.rows(BarQuery(start=date(2020, 1, 1)), COLUMNS).num_rows == 10
    with pytest.raises(Corrupt, match="cannot be read"):
        source.rows(BarQuery(), COLUMNS)


def test_fields_told_later_are_unknown_before(tmp_path: Path) -> None:
    early = make_bars(sessions=3)
    late = make_bars(first="2020-01-06", sessions=2).assign(volume=7.0)
    frame = stored(tmp_path, [early, late]).rows(BarQuery(), (*COLUMNS, "volume")).to_pandas()
    assert np.isnan(frame["volume"]).sum() == 6
    assert frame["volume"].dropna().tolist() == [7.0] * 4


def test_a_bar_known_later_on_its_day_is_left_out(tmp_path: Path) -> None:
    source = stored(tmp_path, [make_bars(sessions=2)])
    moment = datetime(2020, 1, 2, 20, 59, tzinfo=UTC)
    assert source.rows(BarQuery(as_of=moment), COLUMNS)["session"].to_pylist() == [date(2020, 1, 1)] * 2
