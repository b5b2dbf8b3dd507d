"""DuckDB and polars read the tables directly, by the very code of the documentation, and get what investlab reads."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

from investlab.store.bar_tables import BarQuery
from investlab.store.market import MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.pages import code_of

PAGE = "reading-bars.md"
DATASET = "read"
COLUMNS = ["instrument_id", "session", "open", "close", "volume", "known_at", "ingested_at", "revision"]
LATE, EARLY = datetime(2030, 1, 1, tzinfo=UTC), datetime(2020, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[MarketStore, VersionPin]:
    """Return a dataset with a field that came later, corrections of corrections, a compaction, and a tail."""
    store, pin = MarketStore(tmp_path_factory.mktemp("readers")), None
    bars = make_bars(first="2019-12-23", sessions=15)
    batches = (
        bars,
        make_bars(instrument_ids=(3,), first="2019-12-23", sessions=15).assign(volume=7.0),
        bars.iloc[::3].assign(close=99.0),
        bars.iloc[::6].assign(close=98.0),
    )
    with store.writing(DATASET):
        for batch in batches:
            pin = store.append(DATASET, batch, acknowledged=pin, ingested_at=INGESTED_AT).pin
        assert pin is not None
        pin = store.compact(DATASET, pin)
        store.append(DATASET, make_bars(first="2021-03-01"), acknowledged=pin, ingested_at=INGESTED_AT)
    return store, pin


def run(title: str, stored: tuple[MarketStore, VersionPin], as_of: datetime) -> dict[str, Any]:
    store, pin = stored
    names = {
        "folder": store.root / DATASET,
        "base_version": pin.base_version,
        "corrections_version": pin.corrections_version,
        "as_of": as_of,
    }
    exec(code_of(PAGE, "The files of a version") + code_of(PAGE, title), names)
    return names


def check(found: pd.DataFrame, stored: tuple[MarketStore, VersionPin], as_of: datetime) -> None:
    store, pin = stored
    expected = store.read(DATASET, pin, BarQuery(as_of=as_of))[COLUMNS]
    assert len(expected) == (45 if as_of is LATE else 27)
    pd.testing.assert_frame_equal(found[COLUMNS].astype(expected.dtypes.to_dict()), expected, check_exact=True)


@pytest.mark.parametrize("as_of", [LATE, EARLY])
def test_duckdb_reads_what_investlab_reads(stored: tuple[MarketStore, VersionPin], as_of: datetime) -> None:
    check(run("DuckDB", stored, as_of)["as_known"], stored, as_of)


@pytest.mark.parametrize("as_of", [LATE, EARLY])
def test_polars_reads_what_investlab_reads(stored: tuple[MarketStore, VersionPin], as_of: datetime) -> None:
    check(run("polars", stored, as_of)["as_known_lazily"].collect().to_pandas(), stored, as_of)


def test_the_statistics_let_polars_skip_files(stored: tuple[MarketStore, VersionPin]) -> None:
    store, pin = stored
    scan = pl.scan_delta(str(store.root / DATASET / "bars"), version=pin.base_version)
    narrow = scan.filter(pl.col("session") < pl.date(2020, 1, 1))
    skipped = next((store.root / DATASET / "bars" / "year=2020").glob("merged-*.parquet"))
    hidden = skipped.rename(skipped.with_suffix(".hidden"))
    try:
        assert len(narrow.collect()) == 21
        with pytest.raises(FileNotFoundError):
            scan.collect()
    finally:
        hidden.rename(skipped)


def test_duckdb_skips_row_groups_by_their_statistics(stored: tuple[MarketStore, VersionPin]) -> None:
    store, _ = stored
    path = next((store.root / DATASET / "bars" / "year=2020").glob("merged-*.parquet"))
    rows = duckdb.sql(f"SELECT * FROM parquet_metadata('{path}') WHERE path_in_schema = 'instrument_id'").df()
    assert rows[["stats_min_value", "stats_max_value"]].astype(int).to_numpy().tolist() == [[1, 3]]
