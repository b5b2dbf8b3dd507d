"""The edge lets in by credential, origin and host name; everything else is refused before anything below sees it."""

from dataclasses import replace
from http.cookies import SimpleCookie

import pytest

from investlab.api.edge import Edge
from investlab.api.policy import EdgePolicy
from investlab.core.config import Settings
from investlab.core.errors import InvalidSettings
from investlab.services.refusals import Refused
from tests.support.asgi import BEARER, COOKIE, CREDENTIALS, HOST, ORIGIN, POLICY, TOKEN, Echo, edged, request, upgrade
from tests.support.logs import hear

FOREIGN = {"origin": "http://evil.example"}
OURS = {"origin": ORIGIN}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"authorization": "Bearer wrong"}, id="wrong-token"),
        pytest.param({"authorization": "Bearer "}, id="empty-token"),
        pytest.param({"authorization": f"Basic {TOKEN}"}, id="other-scheme"),
        pytest.param({"cookie": f"{CREDENTIALS.cookie_name}=wrong"}, id="wrong-cookie"),
        pytest.param({"cookie": f"{CREDENTIALS.cookie_name}={TOKEN}"}, id="token-as-cookie"),
        pytest.param({"authorization": "Bearer wrong", **COOKIE}, id="wrong-token-beside-a-good-cookie"),
    ],
)
def test_without_a_good_credential_nothing_below_is_reached(headers: dict[str, str]) -> None:
    app = Echo()
    answer = request(edged(app), headers=headers)
    assert (answer.status, answer.problem.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not app.scopes


@pytest.mark.parametrize("headers", [BEARER, COOKIE, BEARER | OURS], ids=["token", "cookie", "token-and-origin"])
def test_a_good_credential_is_let_in(headers: dict[str, str]) -> None:
    assert request(edged(Echo()), headers=headers).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/problems", "/problems/not_found"])
def test_the_allow_list_is_open_for_reading(path: str) -> None:
    assert request(edged(Echo()), path=path, headers={}).status == 200
    assert request(edged(Echo()), "POST", path, headers={}).status == 401


@pytest.mark.parametrize("path", ["/", "/livez/", "/livez/x", "/problemsx", "/metrics", "/openapi.json", "/LIVEZ"])
def test_what_is_not_on_the_allow_list_is_closed(path: str) -> None:
    assert request(edged(Echo()), path=path, headers={}).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(COOKIE | OURS, 200, id="cookie-from-our-page"),
        pytest.param(COOKIE | {"origin": f"http://{HOST}"}, 200, id="cookie-from-the-same-origin"),
        pytest.param(COOKIE, 403, id="cookie-without-origin"),
        pytest.param(COOKIE | FOREIGN, 403, id="cookie-from-a-foreign-page"),
        pytest.param(COOKIE | {"origin": "null"}, 403, id="cookie-from-a-sandboxed-page"),
        pytest.param(COOKIE | {"origin": "http://127.0.0.1:9999"}, 403, id="cookie-from-another-port"),
        pytest.param(BEARER, 200, id="token-without-origin"),
        pytest.param(BEARER | FOREIGN, 403, id="token-from-a-foreign-page"),
    ],
)
def test_changes_and_streams_need_an_origin_of_ours(headers: dict[str, str], status: int) -> None:
    app = Echo()
    posted = request(edged(app), "POST", headers=headers)
    assert posted.status == status
    opened = upgrade(edged(app), headers=headers)
    if status == 200:
        assert opened.messages[0]["type"] == "websocket.accept"
    else:
        assert (opened.status, opened.problem.code) == (403, "forbidden")
        assert posted.problem.code == "forbidden"
        assert not app.scopes


def test_reading_with_the_cookie_needs_no_origin_and_refuses_a_foreign_one() -> None:
    assert request(edged(Echo()), headers=COOKIE).status == 200
    assert request(edged(Echo()), headers=COOKIE | FOREIGN).status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("127.0.0.1:8420", 200, id="address"),
        pytest.param("localhost:1", 200, id="name-any-port"),
        pytest.param("LOCALHOST", 200, id="any-case"),
        pytest.param("[::1]:8420", 200, id="ipv6"),
        pytest.param("evil.example", 400, id="foreign"),
        pytest.param("evil.example:8420", 400, id="foreign-port"),
        pytest.param("127.0.0.1.evil.example", 400, id="foreign-beginning-like-ours"),
        pytest.param("localhost:x", 400, id="no-port"),
        pytest.param("localhost@evil.example", 400, id="user-part"),
        pytest.param("", 400, id="empty"),
    ],
)
def test_the_host_must_be_ours(host: str, status: int) -> None:
    app = Echo()
    assert request(edged(app), headers=BEARER | {"host": host}).status == status
    opened = upgrade(edged(app), headers=BEARER | {"host": host})
    assert status == 200 or (opened.status, len(app.scopes)) == (400, 0)


@pytest.mark.parametrize(
    "name", ["host", "authorization", "origin", "content-type", "content-length", "content-encoding"]
)
def test_a_header_that_decides_may_not_be_given_twice(name: str) -> None:
    values = {"host": HOST, "authorization": f"Bearer {TOKEN}", "origin": ORIGIN}
    pairs = [*BEARER.items(), ("host", HOST), (name, values.get(name, "0")), (name, values.get(name, "0"))]
    assert request(edged(Echo()), headers=pairs).problem.code == "bad_request"


def test_other_headers_may_be_given_twice() -> None:
    assert request(edged(Echo()), headers=[*BEARER.items(), ("accept", "a"), ("accept", "b")]).status == 200


def test_a_page_address_with_the_token_leads_to_the_clean_one_with_the_cookie() -> None:
    answer = request(edged(Echo()), headers={}, path="/v1/some page", query=f"a=1&token={TOKEN}&b=%26")
    assert (answer.status, answer.headers["location"]) == (303, "/v1/some%20page?a=1&b=%26")
    cookie = SimpleCookie(answer.headers["set-cookie"])[CREDENTIALS.cookie_name]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == (CREDENTIALS.cookie_value, True, "Strict")
    assert TOKEN not in str(answer.messages)


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example", "/%5cevil.example\r\nX: y"])
def test_signing_in_never_leads_to_another_host(path: str) -> None:
    location = request(edged(Echo()), headers={}, path=path, query=f"token={TOKEN}").headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "\n" not in location


@pytest.mark.parametrize("query", ["token=wrong", f"token={TOKEN}&token=wrong", "token="])
def test_a_wrong_token_in_a_page_address_is_refused(query: str) -> None:
    assert request(edged(Echo()), headers=BEARER, query=query).status == 401


def test_a_token_in_an_address_counts_for_pages_only() -> None:
    assert request(edged(Echo()), "POST", headers={}, query=f"token={TOKEN}").status == 401
    assert upgrade(edged(Echo()), headers={}, query=f"token={TOKEN}").status == 401


def test_a_stream_is_refused_by_its_close_code_where_the_server_cannot_answer() -> None:
    answer = upgrade(edged(Echo()), headers={}, refusals=False)
    assert answer.messages == [{"type": "websocket.close", "code": 4401, "reason": "refused"}]


def test_the_policy_comes_from_the_settings() -> None:
    settings = Settings.model_validate(
        {"token": "a-token-of-a-home", "origins": "https://lab.example:8443/, http://A.example", "max_body_mib": 3}
    )
    policy = EdgePolicy.of(settings)
    assert policy.origins == {"https://lab.example:8443", "http://a.example"}
    assert policy.hosts == {"localhost", "127.0.0.1", "[::1]", "lab.example", "a.example"}
    assert policy.max_body_bytes == 3 * 2**20
    assert policy.credentials.accepts_token("a-token-of-a-home")


def test_there_is_no_policy_without_a_token() -> None:
    with pytest.raises(InvalidSettings, match="INVESTLAB_TOKEN"):
        EdgePolicy.of(Settings())


def test_hosts_of_origins_are_served() -> None:
    policy = replace(POLICY, hosts=frozenset({"lab.example"}))
    assert request(edged(Echo(), policy), headers=BEARER | {"host": "lab.example"}).status == 200


@pytest.mark.parametrize(
    ("origins", "headers", "secure"),
    [
        pytest.param({ORIGIN}, {}, False, id="local"),
        pytest.param({ORIGIN}, {"x-forwarded-proto": "https"}, False, id="no-proxy-was-stated"),
        pytest.param({"https://lab.example"}, {"x-forwarded-proto": "https"}, True, id="behind-the-stated-proxy"),
        pytest.param({"https://lab.example"}, {"host": "lab.example"}, True, id="by-the-proxys-name"),
        pytest.param({"https://lab.example"}, {}, False, id="around-the-proxy"),
    ],
)
def test_the_cookie_is_secure_where_the_browser_speaks_tls(
    origins: set[str], headers: dict[str, str], secure: bool
) -> None:
    policy = replace(POLICY, origins=frozenset(origins), hosts=POLICY.hosts | {"lab.example"})
    answer = request(edged(Echo(), policy), headers=headers, query=f"token={TOKEN}")
    assert answer.status == 303
    assert answer.headers["set-cookie"].endswith("; Secure") is secure


def noted(method: str = "GET", **asked: object) -> list[Refused]:
    """Return what was noted of one request."""
    found: list[Refused] = []
    edge = Edge(Echo(), policy=POLICY, note_refused=found.append)
    request(edge, method, **asked)  # type: ignore[arg-type]
    return found


def test_refused_requests_are_noted_with_client_and_path() -> None:
    assert noted(headers={}, path="/v1/thing", query="token=wrong") == [Refused("127.0.0.1", "/v1/thing", 401)]
    assert noted("POST", headers=COOKIE | FOREIGN) == [Refused("127.0.0.1", "/v1/thing", 403)]


def test_refused_upgrades_are_noted() -> None:
    found: list[Refused] = []
    upgrade(Edge(Echo(), policy=POLICY, note_refused=found.append), headers=BEARER | FOREIGN)
    assert found == [Refused("127.0.0.1", "/v1/stream", 403)]


def test_what_is_let_in_or_wrong_otherwise_is_not_noted() -> None:
    assert noted() == []
    assert noted(path="/livez", headers={}) == []
    assert noted(headers=BEARER | {"host": "evil.example"}) == []


def test_the_token_is_neither_noted_nor_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear(caplog, monkeypatch)
    found = noted(headers={}, path=f"/v1/{TOKEN}/x", query=f"a={TOKEN}")
    assert [each.path for each in found] == ["/v1/…/x"]
    assert "401" in caplog.text
    assert TOKEN not in caplog.text
