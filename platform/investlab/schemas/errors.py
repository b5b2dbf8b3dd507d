"""The one shape of every error that leaves the platform (RFC 9457 problem details)."""

from datetime import datetime
from typing import Any

from investlab.core.errors import InvestlabError
from investlab.schemas.market import Frozen


class ErrorResponse(Frozen):
    """A problem as apps, pages and `--json` output show it; it never carries a stack trace."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    details: dict[str, Any]
    request_id: str
    timestamp: datetime


def error_response(error: InvestlabError, *, request_id: str, instance: str, at: datetime) -> ErrorResponse:
    """Return the response that describes an error."""
    return ErrorResponse(
        type=f"/problems/{error.code}",
        title=error.title,
        status=error.status,
        detail=error.sentence,
        instance=instance,
        code=error.code,
        details=error.details,
        request_id=request_id,
        timestamp=at,
    )
