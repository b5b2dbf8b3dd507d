"""Which hosts are answered, and whom a page may speak to."""

from pathlib import Path

import pytest

from investlab.core.config import Settings
from investlab.views.policy import allowed_hosts, security_headers, stream_sources


def test_only_this_machine_and_stated_origins_are_hosts() -> None:
    settings = Settings(home=Path("x"), origins="https://desk.example, http://127.0.0.1:8420")
    found = allowed_hosts(settings, 8421)
    assert found == {"127.0.0.1:8421", "localhost:8421", "[::1]:8421", "desk.example", "127.0.0.1:8420"}


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        (None, []),
        (
            "http://127.0.0.1:8420",
            ["ws://127.0.0.1:8420", "http://127.0.0.1:8420", "ws://localhost:8420", "http://localhost:8420"],
        ),
        ("https://hub.example", ["wss://hub.example:443", "https://hub.example:443"]),
    ],
)
def test_a_page_may_speak_to_the_gateway(gateway: str | None, expected: list[str]) -> None:
    assert stream_sources(gateway) == expected


def test_nothing_is_allowed_that_is_not_named() -> None:
    policy = security_headers([])["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "*" not in policy
    assert "unsafe-eval" not in policy
