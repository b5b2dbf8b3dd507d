"""Commands that serve: the gateway, the dashboards, or both."""

import os
import signal
import socket
from collections.abc import Callable
from typing import Annotated, cast

import typer
from pydantic import SecretStr

from investlab.cli.output import STYLE, output, say, show
from investlab.core.config import Settings, load_settings
from investlab.core.credentials import new_token
from investlab.core.errors import NotFound
from investlab.core.extensions import SERVERS, extensions, load_extension
from investlab.core.lifeline import die_with_parent
from investlab.core.ports import listen, port_of
from investlab.services.processes import DASHBOARDS, DEFAULT_PORTS, GATEWAY, Platform, prepare_platform, url_of
from investlab.services.workspace import open_workspace

Serve = Callable[[Settings, socket.socket], None]

serve = typer.Typer(**STYLE)
up = typer.Typer(**STYLE)


@serve.command()
def serve_one(
    name: Annotated[str, typer.Argument(help="gateway or dashboards.")],
    port: Annotated[int | None, typer.Option(help="Port to listen on; an error if it is taken.")] = None,
    socket_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start one server and run it until Ctrl-C."""
    settings = load_settings()
    known = {extension.name for extension in extensions(SERVERS)}
    if name not in known:
        raise NotFound.named("server", name, known)
    if settings.token is None:
        token = new_token()
        settings = settings.model_copy(update={"token": SecretStr(token)})
        say(f"Access token of this {name}: {token} (set INVESTLAB_TOKEN to choose it; both servers need the same)")
    if socket_fd is not None:
        die_with_parent(os.getppid() if parent is None else parent, signal.SIGTERM)
        listening = socket.socket(fileno=socket_fd)
    else:
        configured = settings.gateway_port if name == GATEWAY else settings.dashboards_port
        listening = listen(settings.host, port if port is not None else configured, DEFAULT_PORTS.get(name, 0))
        say(f"{name} on {url_of(settings.host, port_of(listening))}")
    start = cast("Serve", load_extension(SERVERS, name))
    with listening:
        start(settings, listening)


@up.command()
def start_both(
    gateway_port: Annotated[int | None, typer.Option(help="Port of the gateway; an error if it is taken.")] = None,
    dashboards_port: Annotated[int | None, typer.Option(help="Port of the dashboards; likewise.")] = None,
) -> None:
    """Start gateway and dashboards, print where they are, and run them until Ctrl-C."""
    given = {GATEWAY: gateway_port, DASHBOARDS: dashboards_port}
    chosen = {f"{name}_port": port for name, port in given.items() if port is not None}
    settings = load_settings().model_copy(update=chosen)
    open_workspace(settings=settings).close()
    with prepare_platform(settings) as platform:
        say("starting gateway and dashboards")
        platform.wait_until_ready()
        show(addresses(platform))
        if not output.as_json:
            print("Press Ctrl-C to end both.", flush=True)
        platform.watch(say)


def addresses(platform: Platform) -> list[dict[str, str]]:
    """Return where the platform is reached, a row for each kind of user."""
    return [
        {"for": "people", "address": platform.page_url},
        {"for": "apps", "address": f"{platform.gateway_url}/v1/predict"},
        {"for": "apps, live", "address": f"{platform.gateway_url.replace('http', 'ws', 1)}/v1/stream"},
        {"for": "access token", "address": platform.token},
    ]
