"""Where gateway and dashboards are reached, and which pages may open the stream."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from investlab.core.config import Settings
from investlab.services.processes import Platform, prepare_platform, url_of


def prepared(home: Path, host: str) -> Platform:
    return prepare_platform(
        Settings.model_validate(
            {"home": home, "host": host, "gateway_port": 0, "dashboards_port": 0, "token": SecretStr("t" * 20)}
        )
    )


def origins(platform: Platform) -> set[str]:
    return set(platform._environment["INVESTLAB_ORIGINS"].split(","))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_the_page_s_own_origin_may_open_the_stream(tmp_path: Path, host: str) -> None:
    platform = prepared(tmp_path, host)
    platform.stop()
    assert {platform.dashboards_url, platform.gateway_url} <= origins(platform)
    assert {url.replace(url.split("//")[1].rsplit(":", 1)[0], "localhost") for url in platform.urls.values()} <= (
        origins(platform)
    )


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.2", "http://127.0.0.2:80"), ("::1", "http://[::1]:80"), ("localhost", "http://localhost:80")],
)
def test_an_address_is_one_that_browsers_read(host: str, url: str) -> None:
    assert url_of(host, 80) == url
