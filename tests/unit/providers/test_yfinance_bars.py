"""Provider `yfinance` through its own library against a local server; a call to another host fails the test."""

import importlib.metadata
import socket
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from investlab.core.config import Settings
from investlab.core.errors import Busy, EmptyUniverse, InvalidInput, NotFound, StorageUnavailable
from investlab.market.calendars import sessions_between
from investlab.providers.patience import Patience
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.providers.yfinance_bars import RAW, SPLIT_ADJUSTED, YahooProvider, yahoo_provider
from tests.support.networks import OutsideCall, forbid_outside_calls
from tests.support.provider_conformance import ProviderConformance
from tests.support.vendor_server import MovedClock
from tests.support.yahoo_server import CHART, Listed, RootedSession, YahooServer

pytestmark = pytest.mark.slow  # the library takes more than a second to load

FIRST, LAST = date(2022, 1, 3), date(2023, 12, 29)
SPLIT_ON, PAID_ON, PAID_LATER = date(2023, 8, 22), date(2022, 5, 6), date(2023, 11, 10)


def make_listed(number: int = 1, **meta: object) -> Listed:
    bars = {}
    for place, day in enumerate(sessions_between("XNYS", FIRST, LAST)):
        close = round(80.0 * number + (place * 7 % 97) / 10, 2)
        close = close if day.item() < SPLIT_ON else round(close / 4, 2)
        bars[day.item()] = (close - 0.25, close + 0.5, close - 0.5, close, 4000 + place)
    return Listed(bars, {SPLIT_ON: (4, 1)}, {PAID_ON: 0.84, PAID_LATER: 0.24}, dict(meta))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooServer]:
    forbid_outside_calls(monkeypatch)
    market = {"AAA": make_listed(), "BRK-B": make_listed(2), "VOD.L": make_listed(exchangeName="LSE", currency="GBp")}
    with YahooServer(market).serving() as serving:
        yield serving


def provider_of(server: YahooServer, home: Path) -> YahooProvider:
    from investlab.providers.yfinance_library import YahooHistory

    clock = MovedClock(datetime(2024, 1, 2, 15, tzinfo=UTC))
    server.clock = clock
    patience = Patience(clock, clock.pause, lambda: 0.5)
    settings = Settings.model_validate({"home": home})
    return YahooProvider(lambda: YahooHistory(settings, patience, RootedSession(server.url)), clock)


def fetch(server: YahooServer, home: Path, dataset: str, *symbols: str) -> Delivery:
    return provider_of(server, home).fetch(FetchRequest(dataset, symbols))


class TestYahooProvider(ProviderConformance):
    dataset = RAW
    whole = FetchRequest(RAW, ("AAA", "BRK.B"))

    @pytest.fixture(autouse=True)
    def _served(self, server: YahooServer, tmp_path: Path) -> None:
        self.server, self.home = server, tmp_path

    def make(self) -> YahooProvider:
        return provider_of(self.server, self.home)

    def test_an_unknown_symbol_is_named_with_near_matches(self) -> None:
        """Yahoo has no list of its symbols, so there is nothing to be near to."""
        with pytest.raises(NotFound, match="AAAX"):
            self.make().fetch(self.request(symbols=("AAAX",)))


def test_listing_datasets_needs_neither_library_nor_network() -> None:
    def opened() -> None:
        raise AssertionError("the source was opened")

    found = YahooProvider(opened).datasets()
    assert {item.name: item.price_basis.value for item in found} == {RAW: "raw", SPLIT_ADJUSTED: "split_adjusted"}


def test_raw_bars_are_what_was_traded(server: YahooServer, tmp_path: Path) -> None:
    delivery = fetch(server, tmp_path, RAW, "AAA")
    bars = delivery.read("AAA")
    known = server.market["AAA"].bars
    assert list(bars["session"].dt.date) == sorted(known)
    found = bars[["open", "high", "low", "close", "volume"]].to_numpy()
    np.testing.assert_allclose(found, np.array([known[day] for day in sorted(known)]), rtol=1e-6)
    told = {(action.kind.value, action.ex_date): action.value for action in delivery.actions}
    assert told == {("split", SPLIT_ON): 4.0, ("dividend", PAID_ON): 0.84, ("dividend", PAID_LATER): 0.24}


def test_split_adjusted_bars_come_with_adjusted_close_and_dividends_alone(server: YahooServer, tmp_path: Path) -> None:
    delivery = fetch(server, tmp_path, SPLIT_ADJUSTED, "AAA")
    bars = delivery.read("AAA")
    before = (bars["session"] < pd.Timestamp(SPLIT_ON)).to_numpy()
    traded = np.array([server.market["AAA"].bars[day][3] for day in sorted(server.market["AAA"].bars)])
    np.testing.assert_allclose(bars["close"], np.where(before, traded / 4, traded), rtol=1e-6)
    assert {action.ex_date: round(action.value, 6) for action in delivery.actions} == {PAID_ON: 0.21, PAID_LATER: 0.24}
    assert bars["adjusted_close"].iloc[-1] == bars["close"].iloc[-1]
    growth = (bars["adjusted_close"] / bars["close"]).pct_change()
    assert list(bars["session"][growth > 1e-5].dt.date) == [PAID_ON, PAID_LATER]


def test_a_period_is_cut_and_actions_with_it(server: YahooServer, tmp_path: Path) -> None:
    request = FetchRequest(RAW, ("AAA",), date(2022, 5, 1), date(2022, 6, 30))
    delivery = provider_of(server, tmp_path).fetch(request)
    bars = delivery.read("AAA")
    assert (bars["session"].min().date(), bars["session"].max().date()) == (date(2022, 5, 2), date(2022, 6, 30))
    assert [action.ex_date for action in delivery.actions] == [PAID_ON]
    assert bars["close"].iloc[0] == server.market["AAA"].bars[date(2022, 5, 2)][3]


def test_an_instrument_is_described_under_its_own_symbol(server: YahooServer, tmp_path: Path) -> None:
    delivery = fetch(server, tmp_path, RAW, "BRK.B", "AAA")
    assert delivery.parts == ("AAA", "BRK.B")
    draft = delivery.instruments[1]
    assert (draft.symbol, draft.venue, draft.name, draft.kind) == ("BRK.B", "XNAS", "BRK-B Incorporated", "equity")
    assert (draft.identifiers[0].value, draft.valid_from) == ("BRK-B", FIRST)
    assert set(delivery.read("BRK.B")["symbol"]) == {"BRK.B"}


def test_a_day_with_an_action_alone_is_no_bar(server: YahooServer, tmp_path: Path) -> None:
    server.market["AAA"].bars[PAID_ON] = None
    delivery = fetch(server, tmp_path, RAW, "AAA")
    assert PAID_ON not in set(delivery.read("AAA")["session"].dt.date)
    assert PAID_ON in {action.ex_date for action in delivery.actions}


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        pytest.param(500, 8, id="status-that-outlasts-the-library"),
        pytest.param("drop", 2, id="drop"),
        pytest.param("garbage", 2, id="garbage"),
        pytest.param({"chart": {"result": [{}], "error": None}}, 2, id="shape"),
    ],
)
def test_a_passing_failure_is_tried_again(server: YahooServer, tmp_path: Path, fault: object, times: int) -> None:
    provider = provider_of(server, tmp_path)
    provider.fetch(FetchRequest(RAW, ("BRK.B",)))  # the library remembers the zone, so the chart itself fails
    server.faults.extend([fault] * times)
    assert len(provider.fetch(FetchRequest(RAW, ("BRK.B",))).read("BRK.B")) == len(server.market["BRK-B"].bars)
    assert server.clock.waits


def test_a_failed_answer_is_not_kept(server: YahooServer, tmp_path: Path) -> None:
    """Only of a symbol that was never asked for before does the library ask for the zone, which it keeps."""
    server.market["ONCE"] = make_listed()
    provider = provider_of(server, tmp_path)
    provider.fetch(FetchRequest(RAW, ("AAA",)))
    server.faults.extend(["garbage"] * 2)
    delivery = provider.fetch(FetchRequest(RAW, ("ONCE",)))
    assert len(delivery.read("ONCE")) == len(server.market["ONCE"].bars)


def test_a_lasting_failure_ends_after_bounded_tries(server: YahooServer, tmp_path: Path) -> None:
    server.faults.extend(["garbage"] * 500)
    with pytest.raises(StorageUnavailable, match="no usable answer for AAA"):
        fetch(server, tmp_path, RAW, "AAA")
    assert len(server.clock.waits) == 3
    assert len(server.requests) < 100


def test_a_limit_is_waited_for_and_then_named(server: YahooServer, tmp_path: Path) -> None:
    server.faults.extend([429] * 500)
    with pytest.raises(Busy, match="Yahoo allows no more requests"):
        fetch(server, tmp_path, RAW, "AAA")
    assert len(server.clock.waits) == 3


def test_an_unknown_symbol_is_named(server: YahooServer, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no bars of NOPE"):
        fetch(server, tmp_path, RAW, "NOPE")


def test_another_market_is_refused(server: YahooServer, tmp_path: Path) -> None:
    server.market["VOD-L"] = server.market["VOD.L"]
    with pytest.raises(InvalidInput, match="traded on LSE in GBp"):
        fetch(server, tmp_path, RAW, "VOD.L")


def test_symbols_must_be_named(server: YahooServer, tmp_path: Path) -> None:
    with pytest.raises(EmptyUniverse, match="Name the symbols"):
        fetch(server, tmp_path, RAW)
    with pytest.raises(NotFound, match="Did you mean yahoo-raw"):
        fetch(server, tmp_path, "yahoo-row", "AAA")


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: object) -> object:
        raise ModuleNotFoundError("No module named 'yfinance'", name="yfinance")

    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", load)
    with pytest.raises(StorageUnavailable, match=r"pip install investlab\[yfinance\]"):
        yahoo_provider(Settings()).fetch(FetchRequest(RAW, ("AAA",)))


def test_the_library_writes_nothing_outside_the_home(
    server: YahooServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library opens its caches once in a process, in the home of the first who asks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    fetch(server, tmp_path / "home", RAW, "AAA")
    assert not (tmp_path / "user").exists()


def test_all_requests_go_to_the_local_server(server: YahooServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, RAW, "AAA")
    assert len(server.asked(CHART)) >= 1


def test_an_outside_call_fails(server: YahooServer, tmp_path: Path) -> None:
    from investlab.providers.yfinance_library import YahooHistory

    with pytest.raises(OutsideCall):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open("http://query2.finance.yahoo.com/")
    with pytest.raises(OutsideCall), socket.socket() as reached:
        reached.connect(("192.0.2.1", 80))
    fetch(server, tmp_path, RAW, "AAA")
    asked, clock = len(server.requests), MovedClock()
    history = YahooHistory(Settings.model_validate({"home": tmp_path}), Patience(clock, clock.pause, lambda: 0.0))
    with pytest.raises((StorageUnavailable, NotFound)):
        history.series("AAA", FIRST)
    assert len(server.requests) == asked
