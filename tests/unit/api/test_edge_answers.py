"""Every answer has an id and security headers; of several edges only the outermost acts."""

from dataclasses import replace

import pytest

from investlab.core.credentials import Credentials
from tests.support.asgi import BEARER, POLICY, Echo, Failing, edged, request, upgrade

CLOSED = "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("given", ["abc", "A.b_c:d-1", "x" * 64])
def test_a_well_formed_request_id_is_kept(given: str) -> None:
    app = Echo()
    answer = request(edged(app), headers=BEARER | {"x-request-id": given})
    assert answer.headers["x-request-id"] == given
    assert app.scopes[0]["state"]["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\r\nset-cookie: x", "é", "<b>"])
def test_any_other_request_id_is_replaced(given: str) -> None:
    found = request(edged(Echo()), headers=BEARER | {"x-request-id": given}).headers["x-request-id"]
    assert found != given
    assert len(found) == 32


def test_ids_differ_and_reach_errors_and_streams() -> None:
    edge = edged(Echo())
    assert len({request(edge).headers["x-request-id"] for _ in range(5)}) == 5
    assert request(edge, headers={"x-request-id": "mine"}).problem.request_id == "mine"
    accepted = upgrade(edge, headers=BEARER | {"x-request-id": "mine"}).messages[0]
    assert (b"x-request-id", b"mine") in accepted["headers"]


@pytest.mark.parametrize("headers", [BEARER, {}], ids=["answer", "refusal"])
def test_every_answer_has_the_security_headers(headers: dict[str, str]) -> None:
    found = request(edged(Echo()), headers=headers).headers
    assert found["x-content-type-options"] == "nosniff"
    assert found["referrer-policy"] == "no-referrer"
    assert found["cache-control"] == "no-store"
    assert found["content-security-policy"] == CLOSED
    assert found["x-frame-options"] == "DENY"


def test_an_unexpected_error_has_them_too() -> None:
    assert request(edged(Failing(ValueError()))).headers["content-security-policy"] == CLOSED


def test_a_page_keeps_its_own_content_policy_and_nothing_else() -> None:
    inner = [(b"content-security-policy", b"default-src 'self'"), (b"cache-control", b"public"), (b"server", b"x")]
    found = request(edged(Echo(headers=inner))).headers
    assert found["content-security-policy"] == "default-src 'self'"
    assert found["cache-control"] == "no-store"
    assert "server" not in found


def test_an_inner_edge_passes_through() -> None:
    another = replace(POLICY, credentials=Credentials("another-token-of-the-tests", "another"))
    both = edged(edged(Echo(), another))
    answer = request(both)
    assert answer.status == 200
    names = [name for name, _ in answer.start["headers"]]
    assert len(names) == len(set(names))
    assert upgrade(both).messages[0]["type"] == "websocket.accept"


def test_an_edge_that_is_alone_inside_guards_by_itself() -> None:
    async def framework(scope: object, receive: object, send: object) -> None:
        await edged(Echo())(scope, receive, send)  # type: ignore[arg-type]

    assert request(framework, headers={}).status == 401


def test_the_lifespan_passes_through() -> None:
    class Lifespan(Echo):
        async def __call__(self, scope: object, receive: object, send: object) -> None:
            self.scopes.append(scope)  # type: ignore[arg-type]

    app = Lifespan()
    coroutine = edged(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert app.scopes == [{"type": "lifespan"}]
