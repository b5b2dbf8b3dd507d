"""The client over a scripted transport: what it asks, what it returns, and errors as what they were."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import httpx
import pytest

from investlab.client.failures import error_of_answer, error_of_response
from investlab.client.http import Client
from investlab.core.errors import (
    Conflict,
    ExecutionFailed,
    InvalidInput,
    InvestlabError,
    ModelUnavailable,
    NotFound,
    Unauthorized,
)
from investlab.schemas.errors import ErrorResponse, error_response
from investlab.schemas.serving import Health, PredictResponse, Score
from investlab.schemas.trace import Trace, TraceLink

AT = datetime(2024, 1, 2, tzinfo=UTC)
TOKEN = "a-token-of-the-tests"
RESPONSE = PredictResponse(
    values=(Score(row=0, symbol="AAPL", instrument_id=1, score=0.5, rank=1, baseline=0.1, contributions={"a": 0.4}),),
    as_of=AT,
    dataset_version="us-close@1",
    model="us-ranker",
    model_version=2,
    run_id="tr-1",
    fresh=None,
    request_id="r1",
    prediction_id="pd-1",
    horizon_sessions=21,
)
Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> Client:
    return Client("http://127.0.0.1:8420/", TOKEN, transport=httpx.MockTransport(handler))


def problem(error: InvestlabError) -> ErrorResponse:
    return error_response(error, request_id="r-9", instance="/x", at=AT)


def failing(error: InvestlabError) -> Handler:
    return lambda request: httpx.Response(error.status, content=problem(error).model_dump_json())


def test_a_prediction_is_asked_for_and_returned() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=RESPONSE.model_dump_json())

    with client(handler) as app:
        assert app.predict(symbols=["AAPL"], as_of=date(2022, 1, 3)) == RESPONSE
    asked = seen[0]
    assert (asked.method, asked.url.path) == ("POST", "/v1/predict")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.content) == {"symbols": ["AAPL"], "as_of": "2022-01-03"}


def test_rows_of_features_are_sent_as_they_are() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == {"features": [{"a": 1.5}, {"a": -2.0}]}
        return httpx.Response(200, content=RESPONSE.model_dump_json())

    with client(handler) as app:
        assert app.predict([{"a": 1.5}, {"a": -2}]).model_version == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({}, "Give either features or symbols", id="neither"),
        pytest.param({"features": [{"a": 1.0}], "symbols": ["A"]}, "Give either", id="both"),
        pytest.param({"features": [{"a": float("nan")}]}, "features.0.a", id="not-finite"),
        pytest.param({"symbols": ["<b>"]}, "symbols.0", id="no-symbol"),
    ],
)
def test_what_cannot_be_asked_is_said_before_it_is_sent(given: dict[str, object], said: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError("it was sent")

    with client(handler) as app, pytest.raises(InvalidInput, match=said):
        app.predict(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [NotFound("Unknown symbol.", details={"near": ["A"]}), Unauthorized("No."), Conflict("C."), ModelUnavailable("M.")],
    ids=lambda error: error.code,
)
def test_errors_are_what_they_were(error: InvestlabError) -> None:
    with client(failing(error)) as app, pytest.raises(type(error)) as caught:
        app.trace("run-1")
    assert caught.value.detail == error.sentence
    assert caught.value.details == {**error.details, "request_id": "r-9"}


def test_a_code_of_a_later_version_is_an_error_still() -> None:
    later = problem(NotFound("New.")).model_copy(update={"code": "of_a_later_version"})
    assert type(error_of_response(later)) is InvestlabError


def test_an_error_of_something_on_the_way_is_told_apart() -> None:
    assert isinstance(error_of_answer(502, "<html>bad gateway</html>"), ExecutionFailed)


def test_a_gateway_that_is_not_there_is_said_with_the_remedy() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with client(handler) as app, pytest.raises(ExecutionFailed, match=r"8420 cannot be reached.*investlab up"):
        app.models()


def test_an_answer_of_another_shape_is_an_error() -> None:
    with client(lambda request: httpx.Response(200, content=b"{}")) as app, pytest.raises(ExecutionFailed):
        app.replay()


def test_ids_stay_one_segment_of_the_address() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.raw_path == b"/v1/trace/..%2Fus%3Fx@1"
        return httpx.Response(
            200, content=Trace(subject="x", links=(TraceLink(kind="k", record_id="x"),)).model_dump_json()
        )

    with client(handler) as app:
        assert app.trace("../us?x@1").subject == "x"


def test_health_and_models_are_typed() -> None:
    health = Health(status="ok", model="m", model_version=1, artifact_sha256="0", platform_version="0")

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"[]" if request.url.path == "/v1/models" else health.model_dump_json())

    with client(handler) as app:
        assert app.health() == health
        assert app.models() == ()


def test_the_token_is_not_shown() -> None:
    with client(failing(NotFound("x"))) as app:
        assert TOKEN not in repr(app) + repr(app.stream(["replay"]))
