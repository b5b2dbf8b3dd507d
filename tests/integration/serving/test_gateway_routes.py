"""A walk over every route of the whole gateway, BentoML's among them, over a socket.

The gateway runs in this process, so that its routes can be listed and made to fail; a process has one gateway.
"""

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from investlab.api.gateway import gateway_app
from investlab.api.policy import EdgePolicy
from investlab.api.runtime import GatewayRuntime
from investlab.api.server import server_config
from investlab.core.config import Settings
from investlab.core.errors import Conflict
from tests.support.gateways import prediction
from tests.support.route_walk import Reply, Walk, endpoints, shared_provocation
from tests.support.served_homes import ROOT, TOKEN, crown, fill_home, register_linear

pytestmark = pytest.mark.slow
EXAMPLES = {
    "code": "not_found",
    "record_id": "us-close@1",
    "prediction_id": "pd-aaaa1",
    "model": "us-ranker",
    "number": "1",
}
START_SECONDS = 60.0


class Running:
    """The gateway of this process."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(
            home=home,
            token=SecretStr(TOKEN),
            bentos=ROOT / "bentos",
            max_body_mib=1,
            replay_from="2020-06-01",
            replay_sessions_per_minute=0.01,
        )
        self.runtime = GatewayRuntime.open(self.settings)
        self.app: Any = gateway_app(self.settings, self.runtime)
        self.server = uvicorn.Server(server_config(self.app))
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(128)
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)

    @property
    def bento(self) -> Any:
        """The application inside the edge."""
        return self.app._app

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            lowered = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, lowered, answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("gateway") / "home"
    with pytest.MonkeyPatch.context() as patch:
        workspace = fill_home(patch, home)
    register_linear(workspace.context, 0.5, -1.25, 0.75, 0.1)
    crown(workspace.context, 1)
    spool = workspace.context.predictions.spool()
    for number in (1, 2):
        spool.append(prediction(f"pd-aaaa{number}"))
    spool.close()
    workspace.close()
    running = Running(home)
    running.thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not running.server.started:
        assert running.thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield running
    running.server.should_exit = True
    running.thread.join(10)


@pytest.fixture
def walk(gateway: Running) -> Walk:
    return Walk(gateway.ask, EdgePolicy.of(gateway.settings), endpoints(gateway.bento), EXAMPLES)


def test_every_kind_of_route_is_walked(walk: Walk) -> None:
    paths = {endpoint.path for endpoint in walk.found}
    assert {"/v1/predict", "/v1/health", "/v1/stream", "/v1/models", "/livez", "/openapi.json"} <= paths
    assert not paths & {"/", "/docs.json", "/schema.json", "/metrics", "/assets", "/healthz"}


def test_nobody_anonymous_gets_in(walk: Walk) -> None:
    walk.require_credentials()


def test_undeclared_methods_are_refused(walk: Walk) -> None:
    walk.refuse_undeclared_methods()


def test_unknown_addresses_are_not_found(walk: Walk) -> None:
    walk.refuse_unknown_paths()


def test_a_failure_in_any_route_is_an_error_response(walk: Walk) -> None:
    walk.survive_failures()


def test_errors_that_every_route_shares_are_error_responses(walk: Walk) -> None:
    """Those that only some REST routes know are brought about in tests/contract/test_rest_routes.py."""
    asked = 0
    for endpoint in walk.http:
        for method in sorted(endpoint.methods - {"HEAD"}):
            statuses = {400, 500, 503}
            statuses |= set() if walk.policy.is_open(method, endpoint.path) else {401, 403}
            statuses |= {413, 415} if method == "POST" else set()
            for status in statuses:
                provoke = shared_provocation(method, endpoint, status)
                assert provoke is not None
                provoke(walk).require_problem(status, f"{method} {endpoint.path}")
                asked += 1
    assert asked > 3 * len(walk.http)


def test_a_second_gateway_in_a_process_is_refused(gateway: Running) -> None:
    with pytest.raises(Conflict, match="built its gateway before"):
        gateway_app(gateway.settings, gateway.runtime)
