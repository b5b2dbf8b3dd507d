"""Request bodies: only JSON, of a limited length and depth, read whole before anything below sees them."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np

from investlab.api.security import Headers
from investlab.core.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
DEEPEST = 64

_JSON = frozenset({b"application/json", b"application/json;charset=utf-8"})
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, closed or cut off: if one that never closes did not match, each later quote would be tried to the end."""

_OPENING_BIT = 2
"""Set in both opening brackets and in neither closing one."""


async def json_body(headers: Headers, receive: Receive, most_bytes: int) -> bytes | None:
    """Return the request's body; None when the client left before it was complete.

    Raises:
        UnsupportedMediaType: It is not plain JSON.
        PayloadTooLarge: It is longer than `most_bytes`, by its declared length or by what came.
        BadRequest: Its length is no number, or it is nested deeper than `DEEPEST`.
    """
    declared = _declared_length(headers)
    if declared == 0:
        return b""
    _require_json(headers)
    if declared is not None and declared > most_bytes:
        raise _too_long(most_bytes)
    body = await _read(receive, most_bytes)
    if body is not None:
        _require_shallow(body)
    return body


def again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body at once, and then whatever comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _declared_length(headers: Headers) -> int | None:
    declared = headers.get(b"content-length")
    if declared is None:
        return None
    if not declared.isdigit() or len(declared) > len("18446744073709551615"):
        raise BadRequest("The Content-Length header is no length.")
    return int(declared)


def _require_json(headers: Headers) -> None:
    given = headers.get(b"content-type", b"").lower().replace(b" ", b"").replace(b'"', b"")
    if given not in _JSON:
        raise UnsupportedMediaType("Request bodies are JSON.", remedy="Send `Content-Type: application/json`.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType("Compressed request bodies are not read.", remedy="Send the JSON as it is.")


async def _read(receive: Receive, most_bytes: int) -> bytes | None:
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > most_bytes:
            raise _too_long(most_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_long(most_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The request body is longer than {most_bytes:,} bytes.", remedy="Send it in several requests."
    )


def _require_shallow(body: bytes) -> None:
    """Check the depth of JSON without parsing it: parsers recurse, and a deep enough body ends them."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    brackets = np.frombuffer(_TEXT.sub(b"", body).translate(None, _NOT_BRACKETS), dtype=np.uint8)
    steps = (brackets & _OPENING_BIT).astype(np.int8) - 1
    if steps.cumsum(dtype=np.int32).max(initial=0) > DEEPEST:
        raise BadRequest(f"The JSON is nested deeper than {DEEPEST} levels.", remedy="Send it flatter.")
