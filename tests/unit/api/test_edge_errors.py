"""Whatever goes wrong below the edge is answered with one ErrorResponse that tells nothing of the inside."""

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from investlab.api.exchange import ERROR_STATE, MOST_HELD_BYTES
from investlab.core.errors import Busy, Conflict, InvestlabError, ModelUnavailable, NotFound
from tests.support.asgi import AT, BEARER, POLICY, Echo, Failing, as_json, edged, request, upgrade

SECRET = "secret-of-the-inside"
PYDANTIC = [{"loc": ["features", 0, "momentum"], "msg": "Input should be a finite number", "type": "finite_number"}]


@pytest.mark.parametrize(
    "error",
    [NotFound("No such thing.", remedy="Look."), Conflict("Taken.", details={"a": 1}), Busy("Later.")],
    ids=lambda error: error.code,
)
def test_an_error_of_ours_becomes_its_answer(error: InvestlabError) -> None:
    problem = request(edged(Failing(error)), path="/v1/x").problem
    assert (problem.status, problem.code, problem.title) == (error.status, error.code, error.title)
    assert (problem.detail, problem.details, problem.instance) == (error.sentence, error.details, "/v1/x")
    assert problem.timestamp == AT


@pytest.mark.parametrize(
    "error",
    [ValueError(SECRET), RuntimeError(SECRET), RecursionError(SECRET), MemoryError(SECRET), TimeoutError(SECRET)],
    ids=lambda error: type(error).__name__,
)
def test_an_unexpected_error_shows_nothing_but_its_id_and_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    answer = request(edged(Failing(error)))
    assert (answer.status, answer.problem.code) == (500, "internal")
    assert SECRET.encode() not in answer.body
    logged = next(record for record in caplog.records if record.exc_info)
    assert answer.problem.request_id in logged.getMessage()


def test_an_error_that_a_framework_hides_is_found_in_the_state() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["state"][ERROR_STATE] = ModelUnavailable("No champion.")
        await Echo(500, body=b'{"error": "see the log"}')(scope, receive, send)

    problem = request(edged(app)).problem
    assert (problem.status, problem.detail) == (503, "No champion.")


def test_an_error_raised_after_a_framework_answered_for_it_wins() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Echo(500, body=b"Internal Server Error")(scope, receive, send)
        raise Conflict("Taken.")

    assert request(edged(app)).problem.code == "conflict"


@pytest.mark.parametrize(
    ("status", "body", "expected", "detail"),
    [
        pytest.param(404, b"Not Found", 404, "There is nothing at this address.", id="plain-404"),
        pytest.param(405, b"Method Not Allowed", 405, "This address does not take GET. It takes POST.", id="plain-405"),
        pytest.param(400, as_json([{"error": SECRET}]), 400, "The request cannot be read.", id="bento-list"),
        pytest.param(
            400,
            as_json({"error": f"1 validation error for {SECRET}", "detail": PYDANTIC}),
            422,
            "features.0.momentum: Input should be a finite number.",
            id="bento-validation",
        ),
        pytest.param(
            422,
            as_json({"detail": [PYDANTIC[0] | {"input": SECRET, "ctx": {"error": SECRET}}]}),
            422,
            "features.0.momentum: Input should be a finite number.",
            id="fastapi-validation",
        ),
        pytest.param(
            422,
            as_json({"detail": [{"loc": ["body", 1], "msg": SECRET, "type": "json_invalid"}]}),
            400,
            "The request body is no JSON.",
            id="fastapi-no-json",
        ),
        pytest.param(422, as_json({"detail": SECRET}), 422, "The input cannot be used", id="other-422"),
        pytest.param(422, b"{" * 5000, 422, "The input cannot be used", id="broken-body"),
        pytest.param(500, as_json({"error": SECRET}), 500, "Something unexpected happened.", id="bento-500"),
        pytest.param(501, b"", 500, "Something unexpected happened.", id="empty-501"),
        pytest.param(429, as_json({"error": SECRET}), 503, "The server cannot answer now.", id="overload"),
        pytest.param(504, b"", 503, "The server cannot answer now.", id="bento-timeout"),
        pytest.param(418, SECRET.encode(), 400, "The request cannot be read.", id="status-not-in-the-table"),
    ],
)
def test_answers_of_frameworks_are_replaced(status: int, body: bytes, expected: int, detail: str) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"999"), (b"allow", b"POST")]
    answer = request(edged(Echo(status, headers, body)))
    assert answer.problem.status == expected
    assert answer.problem.detail.startswith(detail)
    assert SECRET.encode() not in answer.body
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers.get("allow") == ("POST" if expected == 405 else None)
    assert ("retry-after" in answer.headers) == (expected == 503)


def test_an_error_response_from_below_is_passed_on() -> None:
    body = as_json({"type": "/problems/x"})
    answer = request(edged(Echo(409, [(b"content-type", b"application/problem+json")], body)))
    assert (answer.status, answer.body) == (409, body)


def test_a_long_error_answer_is_not_kept() -> None:
    kept: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * MOST_HELD_BYTES, "more_body": True})
            kept.append(len(send.__self__._held.body))

    assert request(edged(app)).problem.status == 500
    assert max(kept) <= 2 * MOST_HELD_BYTES


def test_fields_are_named_without_repeating_what_was_sent() -> None:
    hostile = [
        {"loc": ["features", 0, "<script>" + "x" * 99], "msg": "Value error, give\nless" + "!" * 999, "type": "x"}
    ]
    answer = request(edged(Echo(422, body=as_json({"detail": hostile * 30}))))
    assert answer.problem.details["count"] == 30
    assert len(answer.problem.details["fields"]) == 20
    field = answer.problem.details["fields"][0]
    assert field["field"] == "features.0.?"
    assert field["problem"].startswith("giveless")
    assert len(field["problem"]) == 200
    assert b"<" not in answer.body


def test_hostile_text_is_no_markup_in_an_answer() -> None:
    error = NotFound("Unknown <script>alert(1)</script> & \ud800.", details={"odd": object(), "nan": float("nan")})
    answer = request(edged(Failing(error)), path="/<b>\ud800" + "x" * 5000)
    assert not set(b"<>&") & set(answer.body)
    assert answer.problem.detail == "Unknown <script>alert(1)</script> & ?."
    assert len(answer.problem.instance) == 1024
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_details_that_cannot_be_written_are_left_out() -> None:
    problem = request(edged(Failing(NotFound("No.", details={"a": "\ud800"})))).problem
    assert (problem.detail, problem.details) == ("No.", {})


def test_an_answer_that_takes_too_long_is_a_503_with_retry_after() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    answer = request(edged(app, replace(POLICY, deadline_seconds=0.01)))
    assert (answer.status, answer.problem.code, answer.headers["retry-after"]) == (503, "busy", "5")


def test_a_body_that_comes_too_slowly_is_a_503_too() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def never() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        await edged(Echo(), replace(POLICY, deadline_seconds=0.01))(scope, never, send)

    headers = BEARER | {"content-type": "application/json", "content-length": "5"}
    assert request(app, "POST", headers=headers).status == 503


def test_an_error_after_the_answer_began_only_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    answer = request(edged(Failing(ValueError(SECRET), begins=True)))
    assert [message["type"] for message in answer.messages] == ["http.response.start"]
    assert any(record.exc_info for record in caplog.records)


def test_an_application_that_says_nothing_is_answered_for() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    assert request(edged(app)).problem.status == 500
    assert upgrade(edged(app)).problem.status == 500


@pytest.mark.parametrize(("code", "status"), [(1000, 404), (1013, 503), (1001, 503), (1008, 403), (4000, 403)], ids=str)
def test_a_stream_that_is_closed_before_it_is_accepted_is_refused_with_an_answer(code: int, status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": code})

    assert upgrade(edged(app)).problem.status == status


def test_a_stream_that_is_refused_by_a_framework_is_refused_in_our_shape() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"Not Found"})

    assert upgrade(edged(app)).problem.code == "not_found"


@pytest.mark.parametrize("error", [Busy("Later."), ValueError(SECRET)], ids=["ours", "unexpected"])
def test_an_error_of_a_stream_refuses_or_closes_it(error: Exception) -> None:
    refused = upgrade(edged(Failing(error)))
    assert refused.problem.status == (503 if isinstance(error, Busy) else 500)
    closed = upgrade(edged(Failing(error, begins=True))).messages
    assert [message["type"] for message in closed] == ["websocket.accept", "websocket.close"]
    assert closed[-1]["code"] == 1011
    assert SECRET not in str(closed)


def test_log_lines_have_route_status_and_id_and_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "investlab.api.edge")
    answer = request(
        edged(Echo()), "POST", headers=BEARER | {"content-type": "application/json"}, chunks=[b'{"a":"b"}']
    )
    line = caplog.records[-1].getMessage()
    assert line.startswith("POST /v1/thing 200 ")
    assert line.endswith(f" ms {answer.headers['x-request-id']}")
    for secret in ("a-token", '{"a"'):
        assert secret not in caplog.text


def test_refusals_are_logged_at_the_default_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "investlab.api.edge")
    request(edged(Echo()))
    assert not caplog.records
    request(
        edged(Echo()), path="/v1/x\r\nforged line", headers={"authorization": "Bearer wrong-secret"}, query="token=a"
    )
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" ")[:2] for line in lines] == [["GET", "/v1/x\\r\\nforged"]]
    assert "wrong-secret" not in caplog.text


def test_error_answers_are_json_of_the_declared_fields() -> None:
    answer = request(edged(Failing(NotFound("No."))))
    assert list(json.loads(answer.body)) == [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "details",
        "request_id",
        "timestamp",
    ]
