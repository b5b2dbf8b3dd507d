"""Provider `sample`: real bars out of installed packages, with what is stated about them."""

import pandas as pd
import pytest

from investlab.market.calendars import sessions_between
from investlab.market.derivation import derive_actions
from investlab.market.quality import check_bars
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.providers.sample import SECTORS, SampleProvider
from investlab.schemas.catalog import InstrumentKind
from investlab.schemas.market import ActionKind, PriceBasis
from tests.support.provider_conformance import ProviderConformance, read_all

EXPECTED = {
    "us-close": (PriceBasis.TOTAL_RETURN, 20, 8313 * 20),
    "us-index": (PriceBasis.RAW, 2, 8313 + 5031),
    "us-ohlcv": (PriceBasis.RAW, 5, 12154),
    "us-ohlcv-recent": (PriceBasis.SPLIT_ADJUSTED, 1, 1509),
}


class TestSampleProvider(ProviderConformance):
    dataset = "us-ohlcv"

    def make(self) -> SampleProvider:
        return SampleProvider()


def fetch(name: str) -> tuple[Delivery, pd.DataFrame]:
    delivery = SampleProvider().fetch(FetchRequest(name))
    return delivery, read_all(delivery)


def test_the_four_datasets_are_on_offer() -> None:
    assert [description.name for description in SampleProvider().datasets()] == sorted(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_dataset_has_its_rows_and_passes_its_checks(name: str) -> None:
    delivery = SampleProvider().fetch(FetchRequest(name))
    bars = delivery.read(delivery.parts[0])
    basis, instruments, rows = EXPECTED[name]
    assert (delivery.description.price_basis, len(delivery.instruments), len(bars)) == (basis, instruments, rows)
    days = bars["session"]
    checked = check_bars(bars, sessions_between("XNYS", days.min().date(), days.max().date()))
    assert checked.report.is_acceptable, checked.report.rejections
    assert checked.keep.all()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_dataset_states_source_licence_and_biases(name: str) -> None:
    description = SampleProvider().fetch(FetchRequest(name)).description
    assert description.source
    assert description.licence
    assert description.biases
    assert not description.synthetic


def test_each_index_states_what_its_level_includes() -> None:
    assert {item.level_basis for item in SampleProvider().fetch(FetchRequest("us-index")).instruments} == {"price"}


def test_known_splits_and_dividends_are_found() -> None:
    delivery = SampleProvider().fetch(FetchRequest("us-ohlcv"))
    assert delivery.adjustment_rule is not None
    found = {}
    for symbol, bars in delivery.read(delivery.parts[0]).groupby("symbol"):
        actions = derive_actions(
            bars["close"].to_numpy(), bars["adjusted_close"].to_numpy(), delivery.adjustment_rule, str(symbol)
        )
        found[symbol] = [(f"{bars['session'].iloc[a.position]:%Y-%m-%d}", a.kind, a.value) for a in actions]
    splits = {
        symbol: [(day, value) for day, kind, value in rows if kind is ActionKind.SPLIT]
        for symbol, rows in found.items()
    }
    assert splits == {
        "AAPL": [("2000-06-21", 2.0), ("2005-02-28", 2.0)],
        "FB": [],
        "GOOG": [],
        "IBM": [],
        "MSFT": [("2003-02-18", 2.0)],
    }
    assert len(found["IBM"]) == 52
    assert ("2004-11-15", ActionKind.DIVIDEND, 3.08) in found["MSFT"]
    assert [value for _, kind, value in found["AAPL"] if kind is ActionKind.DIVIDEND] == [2.65, 2.65, 2.65]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_company_has_a_sector_and_no_index_has(name: str) -> None:
    for draft in fetch(name)[0].instruments:
        assert draft.sector == SECTORS.get(draft.symbol, "")
        assert bool(draft.sector) is (draft.kind is InstrumentKind.EQUITY), draft.symbol
