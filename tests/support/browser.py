"""A real browser for tests: Chromium where it is installed, with a new profile and no way to the network."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Route, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL_HOSTS = {"localhost", "127.0.0.1"}


@dataclass
class Visit:
    """A page open in the browser, what its console complained about, and whom it tried to reach outside."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def chromium() -> str:
    """Return the path of the installed Chromium; the test is skipped when there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on PATH: the page was not looked at in a browser")


@contextmanager
def visit(
    *, width: int = 1200, height: int = 1000, theme: Literal["light", "dark"] = "light", scripts: bool = True
) -> Iterator[Visit]:
    """Open a browser page that reaches this machine only; console errors and outside requests are kept."""
    executable = chromium()
    with tempfile.TemporaryDirectory(prefix="investlab-browser-") as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            Path(profile),
            executable_path=executable,
            args=FLAGS,
            color_scheme=theme,
            java_script_enabled=scripts,
            viewport={"width": width, "height": height},
        )
        try:
            opened = Visit(context.pages[0] if context.pages else context.new_page())

            def admit(route: Route) -> None:
                address = urlsplit(route.request.url)
                if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in LOCAL_HOSTS:
                    opened.refused.append(route.request.url)
                    route.abort()
                else:
                    route.continue_()

            def listen(message: ConsoleMessage) -> None:
                if message.type == "error":
                    opened.complaints.append(message.text)

            context.route("**/*", admit)
            opened.page.on("console", listen)
            opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            yield opened
        finally:
            context.close()
