"""Nobody comes in without the cookie, from a foreign page, or by a foreign name."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from bokeh.util.token import get_token_payload
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.routing import PathMatches, Rule
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from investlab.core.config import Settings
from investlab.core.credentials import Credentials
from investlab.services.refusals import ACTION
from investlab.services.workspace import open_workspace
from investlab.store.repositories import audit
from investlab.views.gate import Gate, SignIn
from investlab.views.policy import allowed_hosts
from tests.support.dashboards import TOKEN, Running, running_dashboards
from tests.support.logs import hear
from tests.support.markets import make_state

PAGE = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = make_state()
    with running_dashboards(tmp_path_factory.mktemp("home"), lambda: state, gateway_url="http://127.0.0.1:9") as found:
        yield found


def _routes(server: Running) -> list[str]:
    """Return a path for every route of the application, Bokeh's and Panel's among them."""
    rules: list[Rule] = [*server.application.default_router.rules, *server.application.wildcard_router.rules]
    patterns = {rule.matcher.regex.pattern for rule in rules if isinstance(rule.matcher, PathMatches)}
    return sorted(_sample(pattern) for pattern in patterns)


def _sample(pattern: str) -> str:
    bare = pattern.removesuffix("$").replace("/?", "").replace("(.*)", "x").replace("[0-9a-f]+", "abc")
    found = re.sub(r"\((?:\?![^)]*\))?[^()]*\)", "market.js", bare).replace("\\.", ".").replace("\\", "")
    return found or "/"


def test_the_routes_are_all_there(server: Running) -> None:
    found = set(_routes(server))
    assert {"/market", "/market/ws", "/market/autoload.js", "/market/metadata", "/livez", "/static/x"} <= found
    assert len(found) >= 12


def test_every_route_refuses_the_anonymous(server: Running) -> None:
    answered = {path: server.ask(path, {"Origin": server.url}).status for path in _routes(server)}
    assert answered.pop("/livez") == 200
    assert {path: status for path, status in answered.items() if status != 401} == {}


@pytest.mark.parametrize("path", ["/nowhere", "/static/js/bokeh.min.js", "/static/extensions/panel/panel.min.js"])
def test_other_addresses_refuse_the_anonymous(server: Running, path: str) -> None:
    assert server.ask(path).status == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_no_method_gets_around_the_gate(server: Running, method: str) -> None:
    assert server.ask("/market", method=method).status == 401


@pytest.mark.parametrize("cookie", ["", "{name}=", "{name}=0000", "other={value}", "{name}={value}0", "{name}=é"])
def test_a_wrong_cookie_is_refused(server: Running, cookie: str) -> None:
    given = cookie.format(name=server.credentials.cookie_name, value=server.credentials.cookie_value)
    assert server.ask("/market", {"Cookie": given.encode("utf-8").decode("latin-1")}).status == 401


def test_the_cookie_opens_the_page(server: Running) -> None:
    answer = server.ask("/market", {**server.cookie, **PAGE})
    assert (answer.status, "Watchlist" in answer.text) == (200, True)


def test_apps_get_the_error_in_the_one_shape(server: Running) -> None:
    answer = server.ask("/market")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"
    assert answer.json()["type"] == "/problems/unauthorized"


def test_people_get_a_page_with_a_field_for_the_token(server: Running) -> None:
    answer = server.ask("/market", PAGE)
    assert answer.status == 401
    assert 'name="token"' in answer.text


def test_a_token_in_the_address_signs_in_and_leaves_it(server: Running) -> None:
    answer = server.ask(f"/market?theme=dark&token={TOKEN}")
    assert answer.status == 303
    assert answer.headers["location"] == "/market?theme=dark"
    assert answer.headers["set-cookie"] == server.credentials.set_cookie()
    assert TOKEN not in answer.text


def test_someone_signed_in_is_led_to_the_clean_address_too(server: Running) -> None:
    answer = server.ask(f"/market?token={TOKEN}", server.cookie)
    assert (answer.status, answer.headers["location"]) == (303, "/market")


@pytest.mark.parametrize("query", ["token=wrong", "token=", f"token={TOKEN}&token={TOKEN}", f"token=x{TOKEN}"])
def test_a_wrong_token_is_refused(server: Running, query: str) -> None:
    answer = server.ask(f"/market?{query}")
    assert (answer.status, "set-cookie" in answer.headers) == (401, False)


def test_signing_in_leads_nowhere_else(server: Running) -> None:
    answer = server.ask(f"//evil.example/x?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example/x"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost.evil.example:{port}", "127.0.0.1:1", ""])
def test_a_foreign_host_is_refused(server: Running, host: str) -> None:
    answer = server.ask("/livez", {"Host": host.format(port=server.port)})
    assert answer.status == 400


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1"])
def test_this_machines_names_are_known(server: Running, name: str) -> None:
    assert server.ask("/livez", {"Host": f"{name}:{server.port}"}).status == 200


def _upgrade(server: Running, origin: str | None, headers: dict[str, str]) -> int:
    try:
        with connect(
            f"ws://127.0.0.1:{server.port}/market/ws", origin=origin, additional_headers=headers, subprotocols=["bokeh"]
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(
    ("origin", "signed_in", "expected"),
    [
        pytest.param("http://evil.example", True, 403, id="foreign-origin"),
        pytest.param("http://127.0.0.1:1", True, 403, id="another-port"),
        pytest.param("null", True, 403, id="opaque-origin"),
        pytest.param(None, True, 403, id="no-origin"),
        pytest.param("own", False, 401, id="anonymous"),
    ],
)
def test_a_socket_is_refused(server: Running, origin: str | None, signed_in: bool, expected: int) -> None:
    given = server.url if origin == "own" else origin
    assert _upgrade(server, given, server.cookie if signed_in else {}) == expected


def test_the_own_page_may_open_its_socket(server: Running) -> None:
    page = server.ask("/market", {**server.cookie, **PAGE}).text
    token = re.search(r'"token":"([^"]+)"', page)
    assert token is not None
    with connect(
        f"ws://127.0.0.1:{server.port}/market/ws",
        origin=server.url,
        additional_headers=server.cookie,
        subprotocols=["bokeh", token[1]],
    ) as socket:
        assert "ACK" in str(socket.recv(timeout=20)) + str(socket.recv(timeout=20))


def test_the_page_tells_nobody_the_cookie(server: Running) -> None:
    page = server.ask("/market", {**server.cookie, **PAGE})
    assert server.credentials.cookie_value not in page.text
    assert "set-cookie" not in page.headers
    token = re.search(r'"token":"([^"]+)"', page.text)
    assert token is not None
    told = get_token_payload(token[1])  # packed, so that a look at the text would see nothing
    assert (told["cookies"], told["headers"]) == ({}, {})


@pytest.mark.parametrize("path", ["/market", "/livez", "/nowhere", "/state/market", "/static/js/bokeh.min.js"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_every_answer_carries_the_security_headers(server: Running, path: str, signed_in: bool) -> None:
    headers = server.ask(path, server.cookie if signed_in else {}).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-eval'" not in policy
    assert "connect-src 'self' blob: data: ws://127.0.0.1:9 http://127.0.0.1:9 ws://localhost:9" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/static/../../server.py", "/assets/x/..%2fserver.py", "/trace/%2e%2e"]
)
def test_no_path_leads_out(server: Running, path: str) -> None:
    answer = server.ask(path, server.cookie)
    assert answer.status in (403, 404, 400, 422)
    assert b"import" not in answer.body


def test_tokens_stay_out_of_the_log(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        server.ask(f"/market?token={TOKEN}")
    assert TOKEN not in caplog.text


def test_refusals_are_seen_in_the_log_and_the_audit_chain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = make_state()
    with running_dashboards(tmp_path, lambda: state) as server:
        hear(caplog, monkeypatch)
        for _ in range(3):
            assert server.ask(f"/market/{TOKEN}?token=wrong").status == 401
        assert server.ask("/market", server.cookie).status == 200
        server.application.close()
        workspace = open_workspace(tmp_path)
        with workspace.context.database.read() as session:
            (event,) = audit.events_of(session, [ACTION])
        workspace.close()
    ours = [record for record in caplog.records if record.name == "investlab.views.server"]
    assert [record.getMessage() for record in ours] == ["401 GET /market/\\u2026"] * 3
    assert (event.subject, event.details["path"]) == ("127.0.0.1", "/market/\\u2026")


@pytest.mark.parametrize(
    ("origins", "headers", "secure"),
    [
        pytest.param("", {"X-Forwarded-Proto": "https"}, False, id="no-proxy-was-stated"),
        pytest.param("https://lab.example", {"X-Forwarded-Proto": "https"}, True, id="behind-the-stated-proxy"),
        pytest.param("https://lab.example", {"Host": "lab.example"}, True, id="by-the-proxys-name"),
        pytest.param("https://lab.example", {}, False, id="around-the-proxy"),
    ],
)
def test_the_cookie_is_secure_where_the_browser_speaks_tls(origins: str, headers: dict[str, str], secure: bool) -> None:
    settings = Settings(origins=origins)
    credentials = Credentials(TOKEN, "cookie")
    gate = Gate(credentials, allowed_hosts(settings, 1), settings.stated_origins)
    given = HTTPHeaders({"Host": "127.0.0.1:1"} | headers)
    start = RequestStartLine("GET", f"/market?token={TOKEN}", "HTTP/1.1")
    asked = HTTPServerRequest(headers=given, start_line=start, connection=SimpleNamespace(context=None))
    verdict = gate.judge(asked)
    assert isinstance(verdict, SignIn)
    assert verdict.cookie == credentials.set_cookie(secure=secure)
