"""What routes declare: the errors they can answer with, and what their parameters may be."""

from typing import Annotated, Any

from fastapi import Path, Query

from investlab.core.errors import (
    BadRequest,
    Busy,
    Forbidden,
    InvalidInput,
    InvestlabError,
    PayloadTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from investlab.schemas.errors import ErrorResponse

Kinds = tuple[type[InvestlabError], ...]
Responses = dict[int | str, dict[str, Any]]

OPEN: Kinds = (BadRequest, InvestlabError, Busy)
"""What any route can answer."""
GUARDED: Kinds = (*OPEN, Unauthorized, Forbidden)
"""What any route that asks for a credential can answer."""
SENDING: Kinds = (*GUARDED, PayloadTooLarge, UnsupportedMediaType, InvalidInput)
"""What any route that takes a body can answer."""

PROBLEM_TYPE = "application/problem+json"
LARGEST_NUMBER = 2**31 - 1

ModelName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="A model's name.")]
VersionNumber = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="A model version's number.")]
RecordId = Annotated[str, Path(pattern=r"^[A-Za-z0-9@._-]{1,128}$", description="An id, or a unique beginning of it.")]
Code = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$", description="The code of a kind of problem.")]
Words = Annotated[str, Query(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$", description="Part of a name or symbol.")]
Name = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="A name; any when left out.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Most entries to answer with.")]


def errors(*kinds: type[InvestlabError]) -> Responses:
    """Return the declaration of error answers, for a route's `responses`."""
    return {kind.status: {"model": ErrorResponse, "description": kind.title} for kind in sorted(kinds, key=_status)}


def as_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document whose error answers have the media type that they are sent with."""
    for path in schema.get("paths", {}).values():
        for operation in path.values():
            for status, response in operation.get("responses", {}).items():
                content = response.get("content", {})
                if status.isdigit() and int(status) >= BadRequest.status and "application/json" in content:
                    content[PROBLEM_TYPE] = content.pop("application/json")
    return schema


def _status(kind: type[InvestlabError]) -> int:
    return kind.status
