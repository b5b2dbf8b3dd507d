"""Error answers as bytes, and the headers that every answer carries."""

from collections.abc import Iterable
from typing import Any

from investlab.core.errors import InvestlabError
from investlab.schemas.errors import ErrorResponse

Pairs = list[tuple[bytes, bytes]]
PROBLEM_TYPE = b"application/problem+json"
LONGEST_INSTANCE = 1024
RETRY_AFTER_SECONDS = 5
UNAUTHORIZED, METHOD_NOT_ALLOWED, UNAVAILABLE = 401, 405, 503

_POLICY = b"content-security-policy"
_DEFAULT_POLICY = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
_EVERYWHERE: Pairs = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_REPLACED = frozenset({name for name, _ in _EVERYWHERE} | {b"x-request-id", b"x-bentoml-request-id", b"server"})


def dressed(headers: Iterable[tuple[bytes, bytes]], request_id: bytes) -> Pairs:
    """Return an answer's headers with ours in place; a content security policy of the page's own is kept."""
    kept = [pair for pair in headers if pair[0] not in _REPLACED]
    own_policy = [pair for pair in kept if pair[0] == _POLICY]
    return [*kept, *_EVERYWHERE, (b"x-request-id", request_id), *([] if own_policy else [_DEFAULT_POLICY])]


def is_problem(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether an answer already is an error response."""
    return any(name == b"content-type" and value.startswith(PROBLEM_TYPE) for name, value in headers)


def problem_body(response: ErrorResponse) -> bytes:
    """Return an error response as JSON, whatever its details hold, that is no markup even where it is taken for it."""
    try:
        text = response.model_dump_json(fallback=str)
    except ValueError:  # text in the details that no encoding has
        text = response.model_copy(update={"details": {}}).model_dump_json()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").encode()


def problem_headers(error: InvestlabError, body: bytes) -> Pairs:
    """Return the headers of an error answer, with what its status asks for."""
    headers = [(b"content-type", PROBLEM_TYPE), (b"content-length", b"%d" % len(body))]
    if error.status == UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status == UNAVAILABLE:
        headers.append((b"retry-after", b"%d" % getattr(error, "retry_after_seconds", RETRY_AFTER_SECONDS)))
    return headers


def printable(text: str) -> str:
    """Return text that can be encoded, without lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def route_of(scope: Any) -> str:
    """Return the route that answered as it was declared, else the path as it was sent: nothing that breaks a line."""
    declared = getattr(scope.get("route"), "path", None)
    if isinstance(declared, str):
        return declared
    raw: bytes = scope.get("raw_path") or scope["path"].encode("unicode_escape")
    return raw.split(b"?")[0][:200].decode("latin-1").encode("unicode_escape").decode("ascii")
