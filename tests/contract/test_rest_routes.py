"""Every route of the REST app: closed without a credential, every declared error brought about, every answer typed."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from pydantic import TypeAdapter

from investlab.api.app import build_app
from investlab.api.services import GatewayServices
from investlab.schemas.backtest import RunSummary
from investlab.schemas.catalog import DatasetInfo
from investlab.schemas.gateway import Readiness, RegisteredModel
from investlab.schemas.live import ModelMonitor, PaperPortfolio, ReplayState
from investlab.schemas.market import InstrumentRef
from investlab.schemas.registry import ModelVersionInfo, PromotionReceipt
from investlab.schemas.serving import PredictionRecord
from investlab.schemas.trace import Trace
from investlab.services import registry
from investlab.services.workspace import Workspace
from investlab.store.repositories import audit
from tests.support.asgi import BEARER, POLICY, edged
from tests.support.gateways import MONITOR, PORTFOLIO, STATE, FakeHost, FakeReplay, prediction
from tests.support.models import trained
from tests.support.records import fill
from tests.support.route_walk import Provocation, Reply, Walk, asked, asking, endpoints
from tests.support.workspaces import make_workspace

MODEL = "paper-ranker"
EXAMPLES = {
    "code": "not_found",
    "record_id": "run-0001",
    "prediction_id": "pd-aaaa1",
    "model": MODEL,
    "number": "1",
}


@dataclass(frozen=True, slots=True)
class House:
    """A workspace with a record of everything, its app, and the fakes beside it."""

    workspace: Workspace
    host: FakeHost
    replay: FakeReplay
    app: FastAPI

    def get(self, path: str) -> Reply:
        return asking(edged(self.app))("GET", path, BEARER)

    def read(self, kind: Any, path: str) -> Any:
        reply = self.get(path)
        assert reply.status == 200, reply.body
        return TypeAdapter(kind).validate_json(reply.body)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    workspace = make_workspace(tmp_path_factory.mktemp("house"))
    context = workspace.context
    context.database.write(fill)
    for number, level in ((11, 0.05), (12, 0.08), (13, -0.05)):
        registry.register(context, trained(context, number, level), MODEL)
    registry.promote(context, MODEL, 1, actor="test")
    spool = context.predictions.spool()
    for number in range(3):
        record = prediction(f"pd-aaaa{number}", session=STATE.first_session.replace(day=3 + number))
        spool.append(record.model_copy(update={"at": record.at.replace(minute=number)}))
    spool.close()
    host, replay = FakeHost(), FakeReplay()
    services = GatewayServices(context, host, replay, context.clock)
    yield House(workspace, host, replay, build_app(services, [open_stream()]))
    workspace.close()


def open_stream() -> APIRouter:
    """Return a stream that accepts whoever gets to it."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()

    return router


@contextmanager
def nothing_replayed(replay: FakeReplay) -> Iterator[None]:
    replay.shown_state = replay.shown_portfolio = replay.shown_monitor = None
    try:
        yield
    finally:
        replay.shown_state, replay.shown_portfolio, replay.shown_monitor = STATE, PORTFOLIO, MONITOR


@contextmanager
def no_model(host: FakeHost) -> Iterator[None]:
    host.status, host.detail = "unavailable", "No version is champion."
    try:
        yield
    finally:
        host.status, host.detail = "ok", ""


def provocations(house: House) -> dict[tuple[str, str, int], Provocation]:
    """Return how each error that only some routes know is brought about."""

    def get(template: str, status: int, path: str, around: Any = None) -> tuple[tuple[str, str, int], Provocation]:
        return ("GET", template, status), asked("GET", path, around=around)

    def post(template: str, status: int, path: str) -> tuple[tuple[str, str, int], Provocation]:
        return ("POST", template, status), asked("POST", path)

    return dict(
        [
            get("/readyz", 503, "/readyz", no_model(house.host)),
            get("/problems/{code}", 404, "/problems/no_such_code"),
            get("/problems/{code}", 422, "/problems/NO-CODE"),
            get("/v1/models/{model}", 404, "/v1/models/us-rankr"),
            get("/v1/models/{model}", 422, "/v1/models/US%20ranker"),
            get("/v1/models/{model}/versions/{number}", 404, f"/v1/models/{MODEL}/versions/9"),
            get("/v1/models/{model}/versions/{number}", 422, f"/v1/models/{MODEL}/versions/first"),
            post("/v1/models/{model}/versions/{number}/promote", 404, "/v1/models/nothing/versions/1/promote"),
            post("/v1/models/{model}/versions/{number}/promote", 409, f"/v1/models/{MODEL}/versions/3/promote"),
            post("/v1/models/{model}/versions/{number}/promote", 422, f"/v1/models/{MODEL}/versions/0/promote"),
            post("/v1/models/{model}/rollback", 404, "/v1/models/nothing/rollback"),
            post("/v1/models/{model}/rollback", 409, f"/v1/models/{MODEL}/rollback"),
            post("/v1/models/{model}/rollback", 422, "/v1/models/%3Cb%3E/rollback"),
            get("/v1/instruments", 422, "/v1/instruments?query=a%00b"),
            get("/v1/runs", 422, "/v1/runs?limit=0"),
            get("/v1/trace/{record_id}", 404, "/v1/trace/bt-nothing"),
            get("/v1/trace/{record_id}", 409, "/v1/trace/step-"),
            get("/v1/trace/{record_id}", 422, "/v1/trace/%3Cscript%3E"),
            get("/v1/predictions", 422, "/v1/predictions?session=yesterday"),
            get("/v1/predictions/{prediction_id}", 404, "/v1/predictions/pd-nothing"),
            get("/v1/predictions/{prediction_id}", 409, "/v1/predictions/pd-aaaa"),
            get("/v1/predictions/{prediction_id}", 422, "/v1/predictions/pd"),
            get("/v1/replay", 404, "/v1/replay", nothing_replayed(house.replay)),
            get("/v1/portfolio", 404, "/v1/portfolio", nothing_replayed(house.replay)),
            get("/v1/monitor", 404, "/v1/monitor", nothing_replayed(house.replay)),
        ]
    )


@pytest.fixture
def walk(house: House) -> Walk:
    return Walk(asking(edged(house.app)), POLICY, endpoints(house.app), EXAMPLES, provocations(house))


def test_nobody_anonymous_gets_in(walk: Walk) -> None:
    assert [endpoint.path for endpoint in walk.sockets] == ["/v1/stream"]
    walk.require_credentials()


def test_undeclared_methods_are_refused(walk: Walk) -> None:
    walk.refuse_undeclared_methods()


def test_unknown_addresses_are_not_found(walk: Walk) -> None:
    walk.refuse_unknown_paths()


def test_a_failure_in_any_route_is_an_error_response(walk: Walk) -> None:
    walk.survive_failures()


def test_every_declared_error_is_brought_about(walk: Walk) -> None:
    assert walk.provoke_declared_errors() > len(walk.http)
    walk.refuse_undeclared_provocations()


def test_every_route_declares_the_errors_it_can_answer_with(walk: Walk) -> None:
    for endpoint in walk.http:
        if endpoint.path == "/openapi.json":
            continue
        expected = {400, 500, 503} if walk.policy.is_open("GET", endpoint.path) else {400, 401, 403, 500, 503}
        assert expected <= endpoint.declared, endpoint.path
        assert "{" not in endpoint.path or 422 in endpoint.declared, endpoint.path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/datasets", tuple[DatasetInfo, ...]),
        ("/v1/instruments?query=app", tuple[InstrumentRef, ...]),
        ("/v1/runs?status=completed&limit=5", tuple[RunSummary, ...]),
        ("/v1/trace/run-0001", Trace),
        ("/v1/trace/us@1", Trace),
        ("/v1/predictions/pd-aaaa1", PredictionRecord),
        ("/v1/models", tuple[RegisteredModel, ...]),
        (f"/v1/models/{MODEL}/versions/1", ModelVersionInfo),
        ("/v1/replay", ReplayState),
        ("/v1/portfolio", PaperPortfolio),
        ("/v1/monitor", ModelMonitor),
    ],
)
def test_answers_are_what_they_say(house: House, path: str, kind: Any) -> None:
    assert house.read(kind, path)


def test_a_model_shows_its_versions_and_where_its_aliases_stand(house: House) -> None:
    found = house.read(RegisteredModel, f"/v1/models/{MODEL}")
    assert (found.champion, [version.number for version in found.versions]) == (1, [3, 2, 1])
    assert {model.model for model in house.read(tuple[RegisteredModel, ...], "/v1/models")} == {MODEL, "us-ranker"}


def test_promoting_and_rolling_back_move_the_champion(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    context = workspace.context
    context.database.write(fill)
    for number, level in ((11, 0.05), (12, 0.08)):
        registry.register(context, trained(context, number, level), MODEL)
    ask = asking(edged(build_app(GatewayServices(context, None, None, context.clock))))

    def moved(action: str) -> tuple[int | None, int | None]:
        reply = ask("POST", f"/v1/models/{MODEL}/{action}", BEARER)
        assert reply.status == 200, reply.body
        receipt = PromotionReceipt.model_validate_json(reply.body)
        return receipt.champion, receipt.previous

    assert moved("versions/1/promote") == (1, None)
    assert moved("versions/2/promote") == (2, 1)
    assert moved("rollback")[0] == 1
    with context.database.read() as session:
        events = audit.list_events(session, subject=MODEL)
    assert {event.actor for event in events[:3]} == {"api"}
    workspace.close()


def test_a_version_that_the_rule_refuses_is_a_conflict_that_says_why(house: House) -> None:
    reply = asking(edged(house.app))("POST", f"/v1/models/{MODEL}/versions/3/promote", BEARER)
    assert "gain is too small" in reply.require_problem(409, "promote").detail


def test_predictions_are_listed_newest_first_and_as_they_were_recorded(house: House) -> None:
    listed = house.read(tuple[PredictionRecord, ...], "/v1/predictions?limit=2&pass_id=rp-1")
    assert [record.prediction_id for record in listed] == ["pd-aaaa2", "pd-aaaa1"]
    assert listed[0] == house.workspace.context.predictions.find("pd-aaaa2")


def test_predictions_are_chosen_by_session_pass_and_model(house: House) -> None:
    def ids(query: str) -> list[str]:
        return [r.prediction_id for r in house.read(tuple[PredictionRecord, ...], f"/v1/predictions?{query}")]

    assert ids("session=2022-01-04") == ["pd-aaaa1"]
    assert ids("pass_id=rp-other") == ids("model=other") == ids("session=2022-02-04") == []


def test_readiness_names_what_is_degraded(house: House) -> None:
    assert house.read(Readiness, "/readyz").degraded == {}
    house.host.status, house.host.detail = "degraded", "Version 2 is damaged."
    try:
        assert house.read(Readiness, "/readyz").degraded == {"model": "Version 2 is damaged."}
    finally:
        house.host.status, house.host.detail = "ok", ""


def test_without_a_model_it_is_not_ready_and_says_why(house: House) -> None:
    with no_model(house.host):
        reply = house.get("/readyz")
    problem = reply.require_problem(503, "/readyz")
    assert (problem.code, problem.detail) == ("model_unavailable", "No version is champion.")
    assert problem.details == {"degraded": {"model": "No version is champion."}}
    assert reply.headers["retry-after"] == "5"


def test_a_database_that_is_gone_is_a_503_and_named_by_readiness(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    app = build_app(GatewayServices(workspace.context, FakeHost(), FakeReplay(), workspace.context.clock))
    workspace.close()
    with sqlite3.connect(tmp_path / "investlab.db") as database:
        database.execute("ALTER TABLE datasets RENAME TO gone")
    house = House(workspace, FakeHost(), FakeReplay(), app)
    assert house.get("/v1/datasets").require_problem(503, "datasets").code == "storage_unavailable"
    assert set(house.read(Readiness, "/readyz").degraded) == {"database"}


def test_hostile_queries_are_data(house: House) -> None:
    for query in ("%27%20OR%201=1--", "%25", "_", "%3Cscript%3E", "x" * 64):
        assert house.read(tuple[InstrumentRef, ...], f"/v1/instruments?query={query}") == ()


def test_the_description_names_the_errors_as_problems(house: House) -> None:
    described = TypeAdapter(dict[str, Any]).validate_json(house.get("/openapi.json").body)
    operation = described["paths"]["/v1/trace/{record_id}"]["get"]
    assert {"200", "400", "401", "403", "404", "409", "422", "500", "503"} == set(operation["responses"])
    assert set(operation["responses"]["404"]["content"]) == {"application/problem+json"}
    assert "HTTPValidationError" not in described["components"]["schemas"]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_there_are_no_pages_that_load_from_other_hosts(house: House, path: str) -> None:
    assert house.get(path).status == 404
