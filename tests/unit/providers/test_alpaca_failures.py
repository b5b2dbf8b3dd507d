"""Provider `alpaca` when something is wrong: limits, failures, odd answers, refusals; no time passes."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from investlab.core.config import describe_settings
from investlab.core.errors import Busy, InvalidInput, InvalidSettings, InvestlabError, NotFound, StorageUnavailable
from investlab.providers.alpaca_history import AlpacaHistory
from investlab.providers.patience import Patience
from investlab.providers.protocol import FetchRequest
from investlab.providers.rest import ATTEMPTS
from tests.support.alpaca_clients import RAW, closes, fetch, known_closes, provider_of, settings_of
from tests.support.alpaca_market import make_market
from tests.support.alpaca_server import KEY, SECRET, AlpacaServer
from tests.support.networks import forbid_outside_calls
from tests.support.provider_conformance import read_all

pytestmark = pytest.mark.slow  # each test serves a market


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaServer]:
    forbid_outside_calls(monkeypatch)
    with AlpacaServer(make_market()).serving() as serving:
        yield serving


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
    assert closes(bars) == known_closes(server, "AAA")
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
    with pytest.raises(NotFound, match="Did you mean META, AAA"):
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
