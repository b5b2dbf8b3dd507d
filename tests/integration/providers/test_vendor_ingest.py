"""A vendor's delivery through ingest: what was fetched before it broke off is not fetched again."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from investlab.core.errors import StorageUnavailable
from investlab.providers.rest import ATTEMPTS
from investlab.services import ingest
from investlab.services.ingest import IngestRequest
from investlab.services.workspace import Workspace
from tests.support.alpaca_clients import BARS, RAW, provider_of
from tests.support.alpaca_market import RENAMED_ON, make_market
from tests.support.alpaca_server import AlpacaServer
from tests.support.networks import forbid_outside_calls
from tests.support.workspaces import make_workspace

pytestmark = pytest.mark.slow

REQUEST = IngestRequest("alpaca", RAW, ("AAA", "META"), date(2021, 1, 1), date(2024, 12, 31))
PARTS = 4


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaServer]:
    forbid_outside_calls(monkeypatch)
    with AlpacaServer(make_market()).serving() as serving:
        provider = provider_of(serving)
        monkeypatch.setattr(ingest, "load_provider", lambda name, settings: provider)
        yield serving


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def said_nothing(text: str) -> None:
    return


def test_a_half_finished_ingest_goes_on_where_it_stopped(server: AlpacaServer, workspace: Workspace) -> None:
    server.faults.extend([None] * 5 + [503] * ATTEMPTS)  # assets, two questions of actions, and two parts are answered
    with pytest.raises(StorageUnavailable, match="what was fetched is kept"):
        workspace.ingest_with(REQUEST, said_nothing)
    asked = len(server.asked(BARS))
    assert asked == 2 + ATTEMPTS
    receipt = workspace.ingest_with(REQUEST, said_nothing)
    assert len(server.asked(BARS)) - asked == PARTS - 2
    known = [bar for symbol in ("AAA", "META") for bar in server.market.bars["raw"][symbol]]
    assert receipt.counts.new == sum(bar[0] <= date(2024, 12, 31) for bar in known)


def test_a_second_ingest_changes_nothing_and_an_update_adds_what_is_new(
    server: AlpacaServer, workspace: Workspace
) -> None:
    first = workspace.ingest_with(REQUEST, said_nothing)
    again = workspace.ingest_with(REQUEST, said_nothing)
    assert (again.counts.new, again.counts.changed, again.counts.same) == (0, 0, first.counts.new)
    assert again.version == first.version
    update = IngestRequest("alpaca", RAW, ("AAA", "META"), update=True)
    later = workspace.ingest_with(update, said_nothing)
    known = [bar for symbol in ("AAA", "META") for bar in server.market.bars["raw"][symbol]]
    assert later.counts.new == len(known) - first.counts.new
    assert later.counts.changed == 0
    assert min(parameters["start"] for parameters in server.asked(BARS)[-2:]) > "2024-12"


def test_a_renamed_instrument_is_found_by_either_symbol(server: AlpacaServer, workspace: Workspace) -> None:
    workspace.ingest_with(REQUEST, said_nothing)
    panel = workspace.panel(["META"], ["close"], "2022-06-01", "2022-06-20", dataset=RAW)
    assert panel.close.notna().all(axis=None)
    assert RENAMED_ON in panel.close.index.date
    before = workspace.panel(["FB"], ["close"], "2022-05-02", "2022-05-20", dataset=RAW)
    assert before.listing[0].instrument_id == panel.listing[0].instrument_id


def test_a_year_without_bars_is_no_failure(server: AlpacaServer, workspace: Workspace) -> None:
    request = IngestRequest("alpaca", RAW, ("OLD",), date(2020, 1, 1), date(2023, 12, 31))
    receipt = workspace.ingest_with(request, said_nothing)
    assert receipt.counts.new == len(server.market.bars["raw"]["OLD"])
