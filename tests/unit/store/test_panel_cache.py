"""The panel cache: equal cubes cached or not, rebuilt when damaged, kept within its budget."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from investlab.schemas.catalog import DatasetVersionInfo
from investlab.store.market import MarketStore
from investlab.store.panels import Cube, PanelStore
from tests.support.bars import INGESTED_AT, make_bars


@pytest.fixture
def market(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "market")


@pytest.fixture
def version(market: MarketStore) -> DatasetVersionInfo:
    with market.writing("bars"):
        receipt = market.append("bars", make_bars(), acknowledged=None, ingested_at=INGESTED_AT)
    return DatasetVersionInfo(
        dataset="bars",
        number=1,
        base_version=receipt.pin.base_version,
        content_hash=receipt.content_hash,
        rows=10,
        instruments=2,
        first_session=None,
        last_session=None,
        ingested_at=INGESTED_AT,
        ingest_run_id="in-1",
    )


def make_store(tmp_path: Path, market: MarketStore, budget_mib: int = 64) -> PanelStore:
    return PanelStore(tmp_path / "panels", market, budget_mib=budget_mib)


def same(one: Cube, two: Cube) -> bool:
    return (
        np.array_equal(one.sessions, two.sessions)
        and np.array_equal(one.instrument_ids, two.instrument_ids)
        and all(np.array_equal(one.fields[name], two.fields[name], equal_nan=True) for name in one.fields)
    )


def test_a_cube_has_sessions_by_instruments(tmp_path: Path, market: MarketStore, version: DatasetVersionInfo) -> None:
    cube = make_store(tmp_path, market).cube(version, None)
    assert cube.fields["close"].shape == (5, 2)
    assert cube.fields["close"][0].tolist() == [11.0, 12.0]
    assert isinstance(cube.fields["close"], np.memmap)
    assert not cube.fields["close"].flags.writeable


def test_a_cached_cube_equals_a_new_one(tmp_path: Path, market: MarketStore, version: DatasetVersionInfo) -> None:
    panels = make_store(tmp_path, market)
    first = panels.cube(version, None)
    market.root.rename(market.root.with_name("gone"))
    assert same(first, panels.cube(version, None))


def test_each_as_of_has_its_own_cube(tmp_path: Path, market: MarketStore, version: DatasetVersionInfo) -> None:
    panels = make_store(tmp_path, market)
    early = panels.cube(version, datetime(2020, 1, 2, 22, tzinfo=UTC))
    assert early.fields["close"].shape == (2, 2)
    assert panels.cube(version, None).fields["close"].shape == (5, 2)


def test_a_truncated_cube_is_built_anew(tmp_path: Path, market: MarketStore, version: DatasetVersionInfo) -> None:
    panels = make_store(tmp_path, market)
    first = panels.cube(version, None)
    copy = {name: values.copy() for name, values in first.fields.items()}
    damaged = next(panels.root.rglob("close.npy"))
    damaged.unlink()
    damaged.write_bytes(b"\x93NUMPY")
    assert np.array_equal(panels.cube(version, None).fields["close"], copy["close"])


def test_the_oldest_cube_goes_when_the_budget_is_spent(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    panels = make_store(tmp_path, market)
    panels.cube(version, datetime(2020, 1, 3, 22, tzinfo=UTC))
    panels.budget_bytes = 1
    panels.cube(version, None)
    assert len(list(panels.root.glob("*/*/cube.json"))) == 1


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    panels = PanelStore(blocked / "panels", market, budget_mib=64)
    assert panels.cube(version, None).fields["close"].shape == (5, 2)
