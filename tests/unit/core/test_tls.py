"""The headers of a proxy count only where a proxy was stated."""

import pytest

from investlab.core.tls import came_over_tls

STATED = frozenset({"https://lab.example", "http://127.0.0.1:8421"})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"forwarded": "https"}, True, id="forwarded"),
        pytest.param({"forwarded": "HTTPS, http"}, True, id="forwarded-twice"),
        pytest.param({"forwarded": "http", "host": "lab.example"}, False, id="the-proxy-decides"),
        pytest.param({"host": "Lab.example"}, True, id="host"),
        pytest.param({"host": "lab.example:80"}, False, id="host-with-another-port"),
        pytest.param({"origin": "https://lab.example"}, True, id="origin"),
        pytest.param({"origin": "http://127.0.0.1:8421", "host": "127.0.0.1:8421"}, False, id="local"),
    ],
)
def test_a_request_came_over_tls(headers: dict[str, str], expected: bool) -> None:
    given = {"origin": "", "host": "", "forwarded": ""} | headers
    assert came_over_tls(STATED, **given) is expected


def test_without_a_stated_proxy_nobody_is_believed() -> None:
    stated = frozenset({"http://lab.example"})
    assert not came_over_tls(stated, origin="https://lab.example", host="lab.example", forwarded="https")
