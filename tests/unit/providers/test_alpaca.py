"""Provider `alpaca` against a local server: pages, limits, failures, names and actions; no time passes."""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from investlab.core.config import Settings, describe_settings
from investlab.core.errors import Busy, InvalidInput, InvalidSettings, InvestlabError, NotFound, StorageUnavailable
from investlab.providers.alpaca import AlpacaProvider
from investlab.providers.alpaca_history import AlpacaHistory
from investlab.providers.patience import Patience
from investlab.providers.protocol import Delivery, FetchRequest
from investlab.providers.rest import ATTEMPTS
from tests.support.alpaca_market import FIRST, LAST, RENAMED_ON, make_market
from tests.support.alpaca_server import KEY, SECRET, AlpacaServer
from tests.support.provider_conformance import ProviderConformance, read_all

RAW = "alpaca-sip-raw"
BARS, ACTIONS = "/v2/stocks/bars", "/v1/corporate-actions"
ALL = ("AAA", "BRK.B", "META")


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    with AlpacaServer(make_market()).serving() as serving:
        yield serving


def settings_of(server: AlpacaServer, **changed: str) -> Settings:
    given = {
        "alpaca_key": KEY,
        "alpaca_secret": SECRET,
        "alpaca_data_url": server.url,
        "alpaca_trading_url": server.url,
    }
    return Settings.model_validate({**given, **changed})


def provider_of(server: AlpacaServer, **changed: str) -> AlpacaProvider:
    patience = Patience(server.clock, server.clock.pause, lambda: 0.5)
    return AlpacaProvider(lambda: AlpacaHistory(settings_of(server, **changed), patience), server.clock)


def fetch(server: AlpacaServer, *symbols: str, start: date | None = None, end: date | None = None) -> Delivery:
    return provider_of(server).fetch(FetchRequest(RAW, symbols or None, start, end))


def known_bars(server: AlpacaServer, *symbols: str) -> dict[tuple[str, date], float]:
    return {(s, bar[0]): bar[4] for s in symbols for bar in server.market.bars["raw"][s]}


def closes(bars: pd.DataFrame) -> dict[tuple[str, date], float]:
    rows = zip(bars["symbol"], bars["session"].dt.date, bars["close"], strict=True)
    return {(symbol, day): close for symbol, day, close in rows}


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
    assert closes(bars) == known_bars(server, *ALL)
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
    assert closes(pd.concat(kept.values())) == known_bars(server, "AAA")


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


@pytest.mark.parametrize(
    ("tells", "waited"),
    [("seconds", [61.5, 61.5]), ("date", [60.5, 60.0]), ("reset", [60.5, 60.0])],
    ids=["seconds", "date", "reset"],
)
def test_a_limit_is_waited_for_as_long_as_the_vendor_says(
    server: AlpacaServer, tells: str, waited: list[float]
) -> None:
    server.allowance, server.tells = 5, tells
    bars = read_all(fetch(server, "AAA"))
    assert closes(bars) == known_bars(server, "AAA")
    assert server.clock.waits == waited


def test_a_limit_that_lasts_is_named_with_its_time(server: AlpacaServer) -> None:
    delivery = fetch(server, "AAA")
    server.allowance, server._window = 0, (server.clock.now().replace(year=2027), 0)
    with pytest.raises(Busy, match=r"Alpaca allows no more requests for now. Run it again in \d+ s"):
        delivery.read(delivery.parts[0])
    assert server.clock.waits == []


@pytest.mark.parametrize("fault", [500, 503, "drop", "garbage"])
def test_a_passing_failure_is_tried_again(server: AlpacaServer, fault: str | int) -> None:
    delivery = fetch(server, "AAA", start=date(2024, 1, 1), end=date(2024, 12, 31))
    server.faults.extend([fault, fault])
    assert len(read_all(delivery)) == 252
    assert server.clock.waits == [0.75, 1.5]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(502, "status 502"), ("drop", "RemoteProtocolError"), ("garbage", "no JSON")],
    ids=["status", "drop", "garbage"],
)
def test_a_lasting_failure_ends_after_bounded_tries(server: AlpacaServer, fault: str | int, reason: str) -> None:
    delivery = fetch(server, "AAA")
    before = len(server.requests)
    server.faults.extend([fault] * 50)
    with pytest.raises(StorageUnavailable, match=reason):
        delivery.read(delivery.parts[0])
    assert len(server.requests) - before == ATTEMPTS
    assert sum(server.clock.waits) < 60


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        pytest.param({"bars": [1], "next_page_token": None}, "bars", id="a-list-of-bars"),
        pytest.param({"bars": {"AAA": [{"t": "2024-01-02"}]}, "next_page_token": None}, "bars.AAA.0.o", id="a-bar"),
        pytest.param({"bars": {}}, "next_page_token", id="no-token"),
        pytest.param({"message": "ok"}, "bars", id="something-else"),
    ],
)
def test_an_answer_of_another_shape_is_refused(server: AlpacaServer, page: dict[str, object], reason: str) -> None:
    delivery = fetch(server, "AAA")
    server.faults.append(page)
    with pytest.raises(StorageUnavailable, match=f"no page of bars: {reason}"):
        delivery.read(delivery.parts[0])


def test_pages_that_never_end_are_noticed(server: AlpacaServer) -> None:
    delivery = fetch(server, "AAA")
    server.faults.extend([{"bars": {}, "next_page_token": "QUFBfER8"}] * 50)
    with pytest.raises(StorageUnavailable, match="again and again"):
        delivery.read(delivery.parts[0])


def test_a_page_without_bars_is_an_empty_part(server: AlpacaServer) -> None:
    delivery = fetch(server, "AAA")
    server.faults.append({"bars": None, "next_page_token": None})
    found = delivery.read(delivery.parts[0])
    assert found.empty
    assert list(found.columns) == ["symbol", "session", "open", "high", "low", "close", "volume"]


@pytest.mark.parametrize("missing", ["alpaca_key", "alpaca_secret"])
def test_a_missing_key_names_the_settings(server: AlpacaServer, missing: str) -> None:
    settings = settings_of(server).model_copy(update={missing: None})
    with pytest.raises(InvalidSettings, match="INVESTLAB_ALPACA_KEY and INVESTLAB_ALPACA_SECRET"):
        AlpacaHistory(settings)
    assert server.requests == []


def test_a_wrong_key_is_refused_at_once(server: AlpacaServer) -> None:
    with pytest.raises(InvalidSettings, match=r"status 403 \(forbidden\). Check INVESTLAB_ALPACA_KEY"):
        provider_of(server, alpaca_secret="another").fetch(FetchRequest(RAW, ("AAA",)))
    assert len(server.requests) == 1


def test_what_a_subscription_does_not_cover_is_said(server: AlpacaServer) -> None:
    delivery = fetch(server, "AAA")
    server.clock.at = datetime(2026, 2, 1, tzinfo=UTC)
    with pytest.raises(InvalidSettings, match="subscription does not permit querying recent SIP data"):
        delivery.read(delivery.parts[-1])


@pytest.mark.parametrize("status", [400, 422])
def test_a_wrong_question_is_not_asked_again(server: AlpacaServer, status: int) -> None:
    delivery = fetch(server, "AAA")
    before = len(server.requests)
    server.faults.append(status)
    with pytest.raises(InvalidInput, match=f"status {status}"):
        delivery.read(delivery.parts[0])
    assert len(server.requests) - before == 1


def test_unknown_names_get_near_matches(server: AlpacaServer) -> None:
    with pytest.raises(NotFound, match="Did you mean AAA, META"):
        fetch(server, "METAA")
    with pytest.raises(NotFound, match="Did you mean .*alpaca-sip-raw"):
        provider_of(server).fetch(FetchRequest("alpaca-sip-rw"))


def test_an_empty_period_is_refused_before_anybody_is_asked(server: AlpacaServer) -> None:
    with pytest.raises(InvalidInput, match="no finished bars from 2026-03-02"):
        fetch(server, "AAA", start=date(2026, 3, 2))
    assert server.requests == []


def test_no_secret_is_ever_said(server: AlpacaServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = settings_of(server)
    history = AlpacaHistory(settings, Patience(server.clock, server.clock.pause, lambda: 0.5))
    said = [
        repr(history),
        repr(vars(history)),
        repr(vars(history._client)),
        repr(settings),
        *(line.value for line in describe_settings(settings)),
    ]
    server.faults.extend([500] * ATTEMPTS + [403])
    for _ in range(2):
        with pytest.raises(InvestlabError) as caught:
            history.assets()
        said += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert history.assets()
    said += [caplog.text, *(str(record.args) for record in caplog.records)]
    assert caplog.records
    assert not [text for text in said if SECRET in text or KEY in text]
