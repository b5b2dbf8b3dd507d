"""Request bodies at the edge: only JSON, of limited length and depth, whole or not at all."""

import tracemalloc
from dataclasses import replace

import pytest

from tests.support.asgi import BEARER, JSON, POLICY, Echo, as_json, edged, request

LIMIT = POLICY.max_body_bytes


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_body_arrives_whole(declared: bool) -> None:
    body = as_json({"a": "x" * 500})
    answer = request(edged(Echo()), "POST", headers=BEARER | JSON, chunks=[body[:9], body[9:]], declared=declared)
    assert (answer.status, answer.body) == (200, body)


def test_a_request_without_a_body_needs_no_type() -> None:
    assert request(edged(Echo()), "POST").status == 200
    assert request(edged(Echo()), "POST", headers=BEARER | {"content-length": "0"}).status == 200


def test_a_body_that_says_it_is_too_long_is_refused_unread() -> None:
    app = Echo()
    answer = request(edged(app), "POST", headers=BEARER | JSON, chunks=[b" " * LIMIT, b" "])
    assert (answer.status, answer.problem.code, answer.unread) == (413, "payload_too_large", 2)
    assert not app.scopes


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_long() -> None:
    app = Echo()
    chunks = [b" " * 400] * 10
    answer = request(edged(app), "POST", headers=BEARER | JSON, chunks=chunks, declared=False)
    assert (answer.status, answer.unread) == (413, 7)
    assert not app.scopes


def test_the_longest_body_passes() -> None:
    for declared in (True, False):
        answer = request(edged(Echo()), "POST", headers=BEARER | JSON, chunks=[b" " * LIMIT], declared=declared)
        assert answer.status == 200


def test_memory_stays_bounded_while_thirty_megabytes_are_sent() -> None:
    chunk = b"[" * 2**16
    edge = edged(Echo(), replace(POLICY, max_body_bytes=2**20))
    tracemalloc.start()
    try:
        answer = request(edge, "POST", headers=BEARER | JSON, chunks=[chunk] * 480, declared=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 4 * 2**20


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"content-type": "application/vnd.bentoml+pickle"}, id="pickle"),
        pytest.param({"content-type": "application/json; x=application/vnd.bentoml+pickle"}, id="parameter"),
        pytest.param({"content-type": "multipart/form-data; boundary=x"}, id="multipart"),
        pytest.param({"content-type": "text/plain"}, id="plain-text"),
        pytest.param({"content-type": "application/json; charset=utf-16"}, id="other-encoding"),
        pytest.param(JSON | {"content-encoding": "gzip"}, id="compressed"),
    ],
)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_only_plain_json_is_read(headers: dict[str, str], declared: bool) -> None:
    app = Echo()
    answer = request(edged(app), "POST", headers=BEARER | headers, chunks=[b"{}"], declared=declared)
    assert (answer.status, answer.problem.code) == (415, "unsupported_media_type")
    assert not app.scopes


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'])
def test_json_may_name_its_encoding(kind: str) -> None:
    headers = BEARER | {"content-type": kind, "content-encoding": "identity"}
    assert request(edged(Echo()), "POST", headers=headers, chunks=[b"{}"]).status == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 40, "٣"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    headers = [*BEARER.items(), *JSON.items(), ("content-length", length.encode().decode("latin-1"))]
    assert request(edged(Echo()), "POST", headers=headers).status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"[" * 64 + b"]" * 64, 200, id="deepest"),
        pytest.param(b"[" * 65 + b"]" * 65, 400, id="too-deep"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, 400, id="objects"),
        pytest.param(b"[" * 900, 400, id="never-closed"),
        pytest.param(b"[" + b",".join([b"[]"] * 200) + b"]", 200, id="wide"),
        pytest.param(b'["' + b"[" * 500 + b'"]', 200, id="brackets-in-text"),
        pytest.param(b'["\\"' + b"[" * 500 + b'"]', 200, id="brackets-after-an-escape"),
    ],
)
def test_nesting_is_limited_before_anything_parses_it(body: bytes, status: int) -> None:
    app = Echo()
    answer = request(edged(app), "POST", headers=BEARER | JSON, chunks=[body])
    assert answer.status == status
    assert len(app.scopes) == (1 if status == 200 else 0)


@pytest.mark.parametrize("tail", [b"", b"\\"], ids=["quotes", "lone-backslash"])
def test_a_string_that_never_closes_is_read_once(tail: bytes) -> None:
    """It ends at once; tried again from each quote, it would hold the event loop for minutes."""
    body = b"[" * 65 + b'"' + b'\\"' * 2**18 + tail
    edge = edged(Echo(), replace(POLICY, max_body_bytes=2**20))
    assert request(edge, "POST", headers=BEARER | JSON, chunks=[body]).status == 400


def test_a_body_sent_to_an_open_address_is_not_read() -> None:
    answer = request(edged(Echo()), "GET", "/livez", headers=JSON, chunks=[b"[" * 100, b"]"])
    assert (answer.status, answer.unread) == (200, 2)


def test_a_client_that_leaves_in_the_middle_is_not_answered() -> None:
    app = Echo()
    answer = request(edged(app), "POST", headers=BEARER | JSON, chunks=[b"{"], declared=False, leaves=True)
    assert not answer.messages
    assert not app.scopes


def test_an_anonymous_body_is_never_read() -> None:
    answer = request(edged(Echo()), "POST", headers=JSON, chunks=[b"{", b"}"])
    assert (answer.status, answer.unread) == (401, 2)
