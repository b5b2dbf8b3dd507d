"""Every part of BentoML that is not public and that the gateway stands on; a change here means to read its sources."""

import asyncio
import inspect
import logging
import os
import subprocess
import sys
from pathlib import Path

import bentoml
import pytest
from _bentoml_impl.server import app as bento_server
from _bentoml_impl.server.mount import PassiveMount
from bentoml._internal.context import ServiceContext
from starlette.applications import Starlette
from starlette.routing import Route

from investlab.api.gateway import REMOVED_MIDDLEWARE, REMOVED_ROUTES, SERVICE_NAME
from investlab.api.scoring import BENTOML_REQUEST_LOG

ROOT = Path(__file__).resolve().parents[2]

SHOW_STACK = """
import sys
from pathlib import Path
import bentoml
service = bentoml.load("service.py:Ranker", working_dir=sys.argv[1])
print("cwd", Path.cwd() == Path(sys.argv[2]))
print("inner", [cls.__name__ for cls, _ in service.middlewares])
app = service.to_asgi(is_main=True)
print("stack", [middleware.cls.__name__ for middleware in app.user_middleware])
print("routes", sorted(route.name for route in app.router.routes))
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What BentoML makes of the service, in a process of its own: a service is built once in a process."""
    folder = tmp_path_factory.mktemp("bentoml")
    told = subprocess.run(
        [sys.executable, "-c", SHOW_STACK, str(ROOT / "bentos" / "ranker"), str(folder)],
        cwd=folder,
        env={**os.environ, "BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.partition(" ") for line in told.stdout.splitlines()]
    return {name: rest for name, _, rest in lines}


def test_loading_a_service_leaves_the_working_directory(shown: dict[str, str]) -> None:
    assert shown["cwd"] == "True"


def test_the_service_brings_the_edge_for_when_it_stands_alone(shown: dict[str, str]) -> None:
    assert shown["inner"] == "['StandaloneEdge']"


def test_the_stack_of_middleware_is_the_one_that_is_known(shown: dict[str, str]) -> None:
    """What the gateway keeps of it is the context alone; metrics and access log are off by the service's own word."""
    found = set(eval(shown["stack"]))
    assert found == {"OpenTelemetryMiddleware", "TimeoutMiddleware", "StandaloneEdge", "ContextMiddleware"}
    assert found - REMOVED_MIDDLEWARE == {"StandaloneEdge", "ContextMiddleware"}


def test_bentomls_own_routes_are_the_ones_that_are_known(shown: dict[str, str]) -> None:
    found = set(eval(shown["routes"]))
    assert found - REMOVED_ROUTES == {"predict", "health"}
    assert "metrics" not in found


def test_the_parts_of_a_service_that_the_gateway_sets() -> None:
    @bentoml.service(name="surface")
    class Surface:
        pass

    assert Surface.middlewares == []
    assert Surface.mount_apps == []
    assert inspect.isclass(Surface.inner)
    assert set(inspect.signature(Surface.to_asgi).parameters) == {"is_main"}
    assert set(inspect.signature(Surface.mount_asgi_app).parameters) == {"app", "path", "name"}
    assert set(inspect.signature(Surface.add_asgi_middleware).parameters) == {"middleware_cls", "options"}


def test_the_service_class_is_made_without_arguments_when_the_app_starts() -> None:
    source = inspect.getsource(bentoml.Service.__call__)
    assert "self.inner()" in source
    assert "create_instance" in inspect.getsource(bento_server.ServiceAppFactory.lifespan)


def test_a_mounted_app_answers_only_what_it_has() -> None:
    """Else the REST app, mounted at the root, would hide the prediction routes or answer for them."""
    inner = Starlette(routes=[Route("/v1/runs", lambda request: None, methods=["GET"])])
    mount = PassiveMount("/", inner)

    def match(path: str, method: str = "GET") -> str:
        scope = {"type": "http", "path": path, "method": method, "root_path": "", "headers": []}
        return mount.matches(scope)[0].name

    assert (match("/v1/runs"), match("/v1/runs", "POST"), match("/v1/predict")) == ("FULL", "PARTIAL", "NONE")


def test_the_calls_context_has_the_scope_and_the_answers_status() -> None:
    assert "request" in vars(ServiceContext)
    assert "response" in vars(ServiceContext)
    assert "response.status_code = ctx.response.status_code" in inspect.getsource(
        bento_server.ServiceAppFactory.api_endpoint
    )


def test_a_response_that_an_api_returns_is_sent_as_it_is() -> None:
    assert "isinstance(output, Response)" in inspect.getsource(bento_server.ServiceAppFactory.api_endpoint)


def test_the_pickle_guard_is_in_place() -> None:
    """The edge refuses everything but JSON; this is the second wall."""
    source = inspect.getsource(bento_server.ServiceAppFactory.api_endpoint)
    assert 'self.is_main and media_type == "application/vnd.bentoml+pickle"' in source


def test_requests_that_do_not_parse_are_logged_where_we_silence_it() -> None:
    assert bento_server.log_exception.__module__ == BENTOML_REQUEST_LOG
    assert logging.getLogger(BENTOML_REQUEST_LOG).name == BENTOML_REQUEST_LOG


def test_the_service_is_named_as_the_gateway_loads_it() -> None:
    assert f"class {SERVICE_NAME}:" in (ROOT / "bentos" / "ranker" / "service.py").read_text(encoding="utf-8")


def test_startup_hooks_may_be_coroutines() -> None:
    @bentoml.service(name="hooked")
    class Hooked:
        @bentoml.on_startup
        async def start(self) -> None:
            self.started = True

    assert asyncio.iscoroutinefunction(Hooked.inner.start)
    assert Hooked.inner.start.__bentoml_startup_hook__
