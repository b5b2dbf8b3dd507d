"""Error answers of the platform as the errors they were."""

from collections.abc import Iterator

from pydantic import ValidationError

from investlab.core.errors import ExecutionFailed, InvestlabError
from investlab.schemas.errors import ErrorResponse


def error_of_response(response: ErrorResponse) -> InvestlabError:
    """Return the error of the response's code with its sentence; `details` also has the request id.

    A code that this version does not know becomes the root of the tree.
    """
    known = {kind.code: kind for kind in _kinds(InvestlabError)}
    kind = known.get(response.code, InvestlabError)
    return kind(response.detail, details={**response.details, "request_id": response.request_id})


def error_of_answer(status: int, body: bytes | bytearray | str) -> InvestlabError:
    """Return the error that an error answer carries; one of another shape comes from something else on the way."""
    try:
        return error_of_response(ErrorResponse.model_validate_json(body))
    except ValidationError:
        return ExecutionFailed(
            f"The answer has status {status} and is none of the platform's.", remedy="Check the address of the gateway."
        )


def unreachable(url: str, cause: Exception) -> InvestlabError:
    """Return the error that says the gateway cannot be reached."""
    return ExecutionFailed(
        f"The gateway at {url} cannot be reached: {type(cause).__name__}.", remedy="Start it with `investlab up`."
    )


def _kinds(root: type[InvestlabError]) -> Iterator[type[InvestlabError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
