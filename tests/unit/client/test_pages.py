"""The weight of a page as it crosses the wire."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from investlab.client.pages import page_weight
from investlab.core.errors import ExecutionFailed

PAGE = (
    b'<html><head><link rel="stylesheet" href="/style.css"><link rel="author" href="/nobody">'
    b'<script src="app.js"></script><script>let x = "<img src=/no.png>"</script>'
    b'<script src="http://other.example/spy.js"></script></head>'
    b'<body><img src="data:image/png;base64,AAAA"><img src="/missing.png"></body></html>'
)


@contextmanager
def _site(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path.partition("?")[0])
            if self.path.endswith("?token=t"):
                self.send_response(303)
                self.send_header("Location", "/page")
                self.end_headers()
                return
            body = gzip.compress(content or b"", mtime=0)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_compressed_bytes_of_the_page_and_of_what_it_loads_are_summed() -> None:
    files = {"/page": PAGE, "/style.css": b"a" * 5000, "/app.js": b"b" * 7000, "/missing.png": b"c"}
    with _site(files) as (url, asked):
        weight = page_weight(f"{url}/page?token=t")
    assert weight.wire_bytes == sum(len(gzip.compress(content, mtime=0)) for content in files.values())
    assert weight.files == 4
    assert weight.url == f"{url}/page"
    assert "/nobody" not in asked


def test_other_hosts_are_named_and_never_asked() -> None:
    files = {"/page": PAGE, "/style.css": b"", "/app.js": b"", "/missing.png": b""}
    with _site(files) as (url, _):
        assert page_weight(f"{url}/page").foreign == ("http://other.example/spy.js",)


def test_a_file_that_does_not_come_is_named() -> None:
    site = _site({"/page": PAGE, "/style.css": b"", "/app.js": b""})
    with site as (url, _), pytest.raises(ExecutionFailed, match=r"/missing\.png did not come"):
        page_weight(f"{url}/page")
