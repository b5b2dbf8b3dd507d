"""The page over a socket: what it weighs, what it asks for, and what it says when something is missing."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from investlab.core.errors import StorageUnavailable
from investlab.views.bundle import bundle_report
from investlab.views.state import MarketState
from tests.support.dashboards import Running, running_dashboards
from tests.support.markets import make_candles, make_empty_state, make_state, make_watch

LARGEST_PAGE = 800 * 1024
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"
PAGE = {"Accept": "text/html", "Accept-Encoding": "gzip"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = make_state()
    with running_dashboards(tmp_path_factory.mktemp("home"), lambda: state, gateway_url="http://127.0.0.1:9") as found:
        yield found


def _page(server: Running) -> str:
    return server.ask("/market", {**server.cookie, "Accept": "text/html"}).text


def test_the_page_and_all_it_loads_is_light(server: Running) -> None:
    page = server.ask("/market", {**server.cookie, **PAGE})
    weights = {"/market": len(page.body)}
    for address in server.resources(gzip.decompress(page.body).decode()):
        answer = server.ask(address, {**server.cookie, "Accept-Encoding": "gzip"})
        assert (address, answer.status) == (address, 200)
        assert answer.headers["content-encoding"] == "gzip"
        weights[address] = len(answer.body)
    assert any("bokeh.min.js" in address for address in weights)
    assert sum(weights.values()) < LARGEST_PAGE, bundle_report(weights)


def test_nothing_is_loaded_from_outside(server: Running) -> None:
    page = _page(server)
    outside = set(re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(https?:)?//[^"')\s]+""", page))
    assert outside == set()
    assert "mathjax" not in page.lower()


def test_a_second_visit_loads_nothing_again(server: Running) -> None:
    for address in server.resources(_page(server)):
        first = server.ask(address, server.cookie)
        again = server.ask(address, {**server.cookie, "If-None-Match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert "immutable" in first.headers["cache-control"]


def test_the_page_itself_is_never_stored(server: Running) -> None:
    assert server.ask("/market", server.cookie).headers["cache-control"] == "no-store"


def test_the_root_leads_to_the_market(server: Running) -> None:
    answer = server.ask("/", server.cookie)
    assert (answer.status, answer.headers["location"]) == (302, "/market")


def test_the_state_is_what_the_page_shows(server: Running) -> None:
    answer = server.ask("/state/market", server.cookie)
    assert MarketState.model_validate({k: v for k, v in answer.json().items() if k != "shape"}) == make_state()
    assert answer.json()["shape"] == make_state().shape


def test_an_unknown_record_is_a_404_in_the_one_shape(server: Running) -> None:
    answer = server.ask("/trace/bt-does-not-exist", server.cookie)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


def test_an_unknown_page_is_a_404_page_for_people(server: Running) -> None:
    answer = server.ask("/nowhere", {**server.cookie, "Accept": "text/html"})
    assert answer.status == 404
    assert "There is no such page." in answer.text


def test_every_number_leads_to_what_it_stands_on(server: Running) -> None:
    state, page = make_state(), _page(server)
    assert state.portfolio is not None
    assert state.champion is not None
    for record in (state.portfolio.run_id, state.champion.run_id, state.champion.version_id, state.prediction_id):
        assert f'href="/trace/{record}"' in page
    assert 'href="/trace/us-close@1"' in page


def test_an_empty_home_gets_friendly_words_and_commands(tmp_path: Path) -> None:
    with running_dashboards(tmp_path, make_empty_state) as server:
        page = _page(server)
    for command in ("investlab demo", "investlab up", "investlab data ingest sample --dataset us-close"):
        assert command in page


def test_hostile_names_never_become_markup(tmp_path: Path) -> None:
    candles = make_candles(symbol=HOSTILE, name=HOSTILE)
    state = make_state(candles=candles, watch=make_watch(candles, {HOSTILE: HOSTILE}))
    with running_dashboards(tmp_path, lambda: state) as server:
        page = _page(server)
    assert "<img" not in page
    assert "<script>alert" not in page


def test_a_page_that_cannot_be_made_is_an_error_not_an_empty_page(tmp_path: Path) -> None:
    def fail() -> MarketState:
        raise StorageUnavailable("The disk at /secret/place is gone.")

    with running_dashboards(tmp_path, fail) as server:
        answer = server.ask("/market", server.cookie)
    assert answer.status == 503
    assert "secret" not in answer.text


def test_a_page_of_ones_own_appears_at_its_name(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "hello.py").write_text(
        "import panel as pn\ndef page(desk):\n    return pn.widgets.Button(label='Press')\n"
    )
    with running_dashboards(tmp_path / "home", make_state, pages=pages) as server:
        answer = server.ask("/hello", {**server.cookie, "Accept": "text/html"})
        assert answer.status == 200
        scripts = re.findall(r'src="([^"]+)"', answer.text)
        assert any("panel.min.js" in script for script in scripts)
        assert not [script for script in scripts if "mathjax" in script or "bokeh-gl" in script]
        for script in scripts:
            assert server.ask(f"/{script.lstrip('/')}", server.cookie).status == 200
