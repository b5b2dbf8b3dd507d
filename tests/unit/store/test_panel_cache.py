"""The panel cache: equal cubes cached or not, rebuilt when damaged, kept within its budget."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from investlab.core.errors import Corrupt
from investlab.market.actions import ActionTable
from investlab.market.adjustment import write_adjusted
from investlab.market.panel_identity import field_digest
from investlab.schemas.catalog import DatasetVersionInfo
from investlab.schemas.market import Adjust
from investlab.store.cube_files import CubeFolder
from investlab.store.cubes import Cube
from investlab.store.locks import folder_lock
from investlab.store.market import MarketStore
from investlab.store.panels import Adjusting, CubeKey, PanelStore
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


def kept(panels: PanelStore) -> list[str]:
    return sorted(path.name for folder in panels.root.glob("*/*/") for path in CubeFolder(folder).files())


def test_fields_are_built_when_they_are_asked_for(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    panels = make_store(tmp_path, market)
    close = panels.cube(version, None, ("close",)).fields["close"]
    assert kept(panels) == ["close.npy"]
    both = panels.cube(version, None)
    assert kept(panels) == ["close.npy", "open.npy"]
    assert np.array_equal(both.fields["close"], close)
    assert np.array_equal(both.fields["open"], close - 0.5)


def test_columns_are_in_the_order_given_when_the_cube_was_built(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    panels = make_store(tmp_path, market)
    assert panels.cube(version, None, ("close",), lambda ids: ids[::-1]).fields["close"][0].tolist() == [12.0, 11.0]
    later = panels.cube(version, None, ("open",))
    assert later.instrument_ids.tolist() == [2, 1]
    assert later.fields["open"][0].tolist() == [11.5, 10.5]


def test_what_was_used_longest_ago_goes_when_the_budget_is_spent(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    panels = make_store(tmp_path, market)
    panels.cube(version, datetime(2020, 1, 3, 22, tzinfo=UTC))
    panels.budget_bytes = 1
    panels.cube(version, None, ("close",))
    assert kept(panels) == ["close.npy"]


def test_what_was_not_used_for_long_goes(tmp_path: Path, market: MarketStore, version: DatasetVersionInfo) -> None:
    panels = make_store(tmp_path, market)
    panels.cube(version, datetime(2020, 1, 3, 22, tzinfo=UTC))
    old = next(panels.root.glob("bars/*/"))
    for path in old.iterdir():
        os.utime(path, (0, 0))
    panels.cube(version, None, ("close",))
    assert kept(panels) == ["close.npy"]
    assert not old.exists()


def test_a_deleted_cache_is_built_anew(tmp_path: Path, market: MarketStore, version: DatasetVersionInfo) -> None:
    panels = make_store(tmp_path, market)
    first = panels.cube(version, None)
    shutil.rmtree(panels.root)
    assert same(first, panels.cube(version, None))
    assert kept(panels) == ["close.npy", "open.npy"]


@pytest.mark.parametrize("adjust", [Adjust.SPLITS, Adjust.ALL])
def test_an_adjusted_cube_equals_adjusting_on_read(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo, adjust: Adjust
) -> None:
    panels = make_store(tmp_path, market)
    raw = panels.cube(version, None)
    actions = ActionTable(np.array([2, 3]), np.array([0, 1]), np.array([2.0, 1.0]), np.array([0.0, 0.7]))
    asked = Adjusting(adjust, actions, "0" * 64, str)
    made = panels.adjusted(CubeKey(version, None), raw, asked)
    expected = {name: np.empty(raw.shape) for name in raw.fields}
    write_adjusted(raw.fields, actions, adjust, expected, str)
    again = PanelStore(panels.root, market, budget_mib=64).adjusted(CubeKey(version, None), raw, asked)
    for name, values in expected.items():
        assert np.array_equal(made.fields[name], values)
        assert np.array_equal(again.fields[name], values)
        assert isinstance(again.fields[name], np.memmap)
        assert again.digests[name] == field_digest(values)


def test_hashes_come_from_the_sidecar_and_are_verified(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    panels = make_store(tmp_path, market)
    cube = panels.cube(version, None)
    assert dict(cube.digests) == {name: field_digest(values) for name, values in cube.fields.items()}
    assert panels.verify() == 4
    damaged = next(panels.root.rglob("close.npy"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(Corrupt, match=r"close\.npy differs from its recorded hash"):
        panels.verify()


def test_another_process_s_lock_is_not_waited_for_longer_than_allowed(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    panels = PanelStore(tmp_path / "panels", market, budget_mib=64, lock_timeout_seconds=0.0)
    panels.cube(version, None)
    folder = next(panels.root.glob("bars/*/"))
    shutil.rmtree(folder)
    with folder_lock(folder.with_suffix(".lock"), 0.0):
        assert panels.cube(version, None).fields["close"].shape == (5, 2)
    assert not folder.exists()


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, market: MarketStore, version: DatasetVersionInfo
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    panels = PanelStore(blocked / "panels", market, budget_mib=64)
    assert panels.cube(version, None).fields["close"].shape == (5, 2)
