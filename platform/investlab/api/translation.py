"""What frameworks answer when something is wrong, as an error of ours: their bodies have four shapes and leak input."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from investlab.core.errors import (
    BadRequest,
    Busy,
    Conflict,
    Forbidden,
    InvalidInput,
    InvestlabError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)

LONGEST_MESSAGE = 200
MOST_FIELDS = 20
SERVER_ERROR = 500
NO_ROUTE = 1000
"""What starlette closes a WebSocket with where there is no route."""
LATER = (1001, 1013)
_UNAVAILABLE = frozenset({429, 502, 503, 504})
"""Overload and timeouts of frameworks: to the caller they all mean the same, come back later."""

_PLAIN = re.compile(r"[A-Za-z0-9_.\- ]{1,64}")
_KINDS: dict[int, tuple[type[InvestlabError], str]] = {
    400: (BadRequest, "The request cannot be read."),
    401: (Unauthorized, "No credential was shown, or a wrong one."),
    403: (Forbidden, "This may not be done from here."),
    409: (Conflict, "The request contradicts what is already there."),
    413: (PayloadTooLarge, "The request body is too long."),
    415: (UnsupportedMediaType, "The request body is of a type that is not read here."),
    422: (InvalidInput, "The input cannot be used as it is."),
}


def unexpected() -> InvestlabError:
    """Return the error that stands for whatever went wrong inside."""
    return InvestlabError("Something unexpected happened.", remedy="Report it with the request id.")


def error_of_answer(status: int, body: bytes, *, method: str, allowed: str) -> InvestlabError:
    """Return our error for a framework's error answer; only validation messages of its body are kept.

    `allowed` is what the answer's Allow header says.
    """
    if status == NotFound.status:
        return NotFound("There is nothing at this address.", remedy="/openapi.json lists what there is.")
    if status == MethodNotAllowed.status:
        remedy = f"It takes {allowed}." if allowed else ""
        return MethodNotAllowed(f"This address does not take {method if method.isalpha() else 'that'}.", remedy=remedy)
    if status in _UNAVAILABLE:
        return Busy("The server cannot answer now.", remedy="Ask again a little later.")
    if status >= SERVER_ERROR:
        return unexpected()
    invalid = _validation_error(body) if status in (BadRequest.status, InvalidInput.status) else None
    if invalid is not None:
        return invalid
    kind, sentence = _KINDS.get(status, _KINDS[400])
    return kind(sentence)


def error_of_close(code: int) -> InvestlabError:
    """Return our error for a WebSocket that was closed before it was accepted."""
    if code == NO_ROUTE:
        return NotFound("There is no stream at this address.", remedy="The stream is at /v1/stream.")
    if code in LATER:
        return Busy("The stream cannot take another connection now.", remedy="Connect again a little later.")
    return Forbidden("The stream was refused.")


def invalid_input(problems: Sequence[dict[str, Any]]) -> InvestlabError:
    """Return the error that says which fields are wrong and why, without repeating what was sent.

    `problems` are pydantic's: `loc`, `msg` and `type` of each.
    """
    if any(problem.get("type") == "json_invalid" for problem in problems):
        return BadRequest("The request body is no JSON.")
    fields = [{"field": _place(problem.get("loc", ())), "problem": _message(problem)} for problem in problems]
    shown = fields[:MOST_FIELDS]
    first = shown[0]
    more = f" ({len(fields) - 1} more)" if len(fields) > 1 else ""
    place = f"{first['field']}: " if first["field"] else ""
    return InvalidInput(f"{place}{first['problem']}.{more}", details={"fields": shown, "count": len(fields)})


def _validation_error(body: bytes) -> InvestlabError | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    problems = answer.get("detail") if isinstance(answer, dict) else None
    if not isinstance(problems, list) or not problems or not all(isinstance(each, dict) for each in problems):
        return None
    return invalid_input(problems)


def _place(location: Iterable[object]) -> str:
    parts = [str(part) for part in location]
    return ".".join(part if _PLAIN.fullmatch(part) else "?" for part in parts[:8])


def _message(problem: dict[str, Any]) -> str:
    text = str(problem.get("msg", "cannot be used")).removeprefix("Value error, ")
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_MESSAGE].rstrip(".")
