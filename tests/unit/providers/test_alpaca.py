"""Provider `alpaca` against a local server: pages, limits, failures, names and actions; no time passes."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from investlab.core.errors import StorageUnavailable
from investlab.providers.alpaca import AlpacaProvider
from investlab.providers.alpaca_history import AlpacaHistory
from investlab.providers.protocol import FetchRequest
from investlab.providers.rest import ATTEMPTS
from tests.support.alpaca_clients import ACTIONS, BARS, RAW, closes, fetch, known_closes, provider_of
from tests.support.alpaca_market import FIRST, LAST, RENAMED_ON, make_market
from tests.support.alpaca_server import AlpacaServer
from tests.support.networks import forbid_outside_calls
from tests.support.provider_conformance import ProviderConformance, read_all

pytestmark = pytest.mark.slow  # each test serves a market

ALL = ("AAA", "BRK.B", "META")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaServer]:
    forbid_outside_calls(monkeypatch)
    with AlpacaServer(make_market()).serving() as serving:
        yield serving


class TestAlpacaProvider(ProviderConformance):
    dataset = RAW
    whole = FetchRequest(RAW, ("AAA", "META"), date(2021, 12, 1), date(2022, 7, 29))

    @pytest.fixture(autouse=True)
    def _served(self, server: AlpacaServer) -> None:
        self.server = server

    def make(self) -> AlpacaProvider:
        return provider_of(self.server)

    def count_reads(self) -> int:
        return len(self.server.asked(BARS))


def test_listing_datasets_asks_nobody_and_needs_no_key() -> None:
    def opened() -> AlpacaHistory:
        raise AssertionError("the source was opened")

    found = AlpacaProvider(opened).datasets()
    assert [item.name for item in found] == [
        "alpaca-iex-adjusted",
        "alpaca-iex-raw",
        "alpaca-sip-adjusted",
        "alpaca-sip-raw",
    ]
    assert {item.price_basis for item in found} == {"raw", "total_return"}
    assert not any(item.synthetic for item in found)


def test_every_bar_arrives_once_under_its_session(server: AlpacaServer) -> None:
    bars = read_all(fetch(server, *ALL))
    assert closes(bars) == known_closes(server, *ALL)
    assert len(bars) == len(closes(bars))
    assert bars.dtypes["session"].kind == "M"


def test_pages_are_read_to_the_last(server: AlpacaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("investlab.providers.alpaca_history.BARS_A_PAGE", 100)
    delivery = fetch(server, *ALL, start=date(2024, 1, 1), end=date(2024, 12, 31))
    bars = read_all(delivery)
    assert Counter(bars["symbol"]) == dict.fromkeys(ALL, 252)
    asked = server.asked(BARS)
    assert len(asked) == 8
    assert len({parameters.get("page_token") for parameters in asked}) == 8


def test_both_ends_of_a_period_count_and_no_more(server: AlpacaServer) -> None:
    bars = read_all(fetch(server, "AAA", start=date(2023, 12, 29), end=date(2024, 1, 3)))
    assert [day.isoformat() for day in bars["session"].dt.date] == ["2023-12-29", "2024-01-02", "2024-01-03"]


def test_a_part_is_one_year_of_some_symbols(server: AlpacaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("investlab.providers.alpaca.SYMBOLS_A_PART", 2)
    delivery = fetch(server, *ALL, start=date(2023, 6, 1), end=date(2024, 6, 30))
    assert len(delivery.parts) == 4
    first = delivery.read(delivery.parts[0])
    assert set(first["symbol"]) == {"AAA", "BRK.B"}
    assert (first["session"].min().date(), first["session"].max().date()) == (date(2023, 6, 1), date(2023, 12, 29))


def test_a_name_always_stands_for_the_same_part(server: AlpacaServer) -> None:
    assert fetch(server, *ALL).parts == fetch(server, *reversed(ALL)).parts
    assert not set(fetch(server, *ALL).parts) & set(fetch(server, "AAA", "BRK.B").parts)


def test_a_fetch_that_broke_off_goes_on_with_the_next_part(server: AlpacaServer) -> None:
    delivery = fetch(server, "AAA")
    assert delivery.is_remote
    kept = {part: delivery.read(part) for part in delivery.parts[:2]}
    server.faults.extend([500] * ATTEMPTS)
    with pytest.raises(StorageUnavailable):
        delivery.read(delivery.parts[2])
    asked = len(server.asked(BARS))
    again = fetch(server, "AAA")
    kept |= {part: again.read(part) for part in again.parts if part not in kept}
    assert len(server.asked(BARS)) - asked == len(again.parts) - 2
    assert closes(pd.concat(kept.values())) == known_closes(server, "AAA")


def test_a_bar_of_today_is_not_asked_for(server: AlpacaServer) -> None:
    server.clock.at = datetime(2026, 2, 27, 20, tzinfo=UTC)
    bars = read_all(fetch(server, "AAA", end=date(2027, 1, 1)))
    assert bars["session"].max().date() == date(2026, 2, 26) < LAST


def test_without_symbols_all_listed_instruments_are_delivered(server: AlpacaServer) -> None:
    delivery = fetch(server)
    assert [draft.symbol for draft in delivery.instruments] == list(ALL)
    assert all("symbols" not in parameters for parameters in server.asked(ACTIONS))
    assert all(len(parameters["symbols"]) < 200 for parameters in server.asked(BARS))


def test_instruments_have_name_venue_and_the_vendors_id(server: AlpacaServer) -> None:
    meta, old = fetch(server, "META", "OLD").instruments
    assert (meta.symbol, meta.venue, meta.name) == ("META", "XNAS", "Meta Platforms, Inc. Class A Common Stock")
    assert old.venue == "ARCX"
    (own,) = (item.value for item in old.identifiers if item.scheme == "provider_symbol")
    assert own == next(asset["id"] for asset in server.market.assets if asset["symbol"] == "OLD")


def test_a_renamed_instrument_keeps_its_bars_and_its_former_symbol(server: AlpacaServer) -> None:
    delivery = fetch(server, "META")
    (draft,) = delivery.instruments
    former = draft.identifiers[0]
    assert (former.value, former.valid_to, draft.valid_from) == ("FB", RENAMED_ON, RENAMED_ON)
    bars = read_all(delivery)
    assert set(bars["symbol"]) == {"META"}
    assert bars["session"].min().date() == FIRST
    (dividend,) = delivery.actions
    assert (dividend.symbol, dividend.ex_date, dividend.value) == ("META", date(2021, 6, 3), 0.5)


def test_a_period_before_a_rename_is_asked_for_under_the_present_symbol(server: AlpacaServer) -> None:
    earlier = fetch(server, "META", start=date(2021, 5, 1), end=date(2021, 6, 30))
    assert earlier.instruments == fetch(server, "META").instruments
    assert read_all(earlier)["session"].min().date() == date(2021, 5, 3)


def test_actions_are_told_in_our_words(server: AlpacaServer) -> None:
    found = {(a.symbol, a.kind.value, a.ex_date.isoformat()): a for a in fetch(server, "AAA", "BRK.B", "OLD").actions}
    assert {key: action.value for key, action in found.items()} == {
        ("AAA", "dividend", "2023-05-04"): 0.125,
        ("AAA", "dividend", "2026-02-26"): 0.25,
        ("AAA", "split", "2023-08-22"): 2.0,
        ("AAA", "stock_dividend", "2023-05-22"): 1.05,
        ("BRK.B", "split", "2024-05-01"): 0.02,
        ("OLD", "merger", "2022-03-01"): 7.8,
    }
    merger = found["OLD", "merger", "2022-03-01"]
    assert (merger.counterpart_symbol, merger.counterpart_ratio) == ("AAA", 0.7733)


def test_actions_are_paged_and_narrowed_to_the_period(server: AlpacaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("investlab.providers.alpaca_history.ACTIONS_A_PAGE", 1)
    found = fetch(server, "AAA", start=date(2023, 5, 1), end=date(2023, 8, 21)).actions
    assert [(action.kind.value, action.ex_date.isoformat()) for action in found] == [
        ("dividend", "2023-05-04"),
        ("stock_dividend", "2023-05-22"),
    ]


def test_an_adjusted_dataset_tells_no_actions(server: AlpacaServer) -> None:
    delivery = provider_of(server).fetch(FetchRequest("alpaca-iex-adjusted", ("AAA",)))
    assert delivery.actions == ()
    assert delivery.description.price_basis == "total_return"
    delivery.read(delivery.parts[-1])
    asked = server.asked(BARS)[-1]
    assert (asked["adjustment"], asked["feed"], asked["timeframe"]) == ("all", "iex", "1Day")
