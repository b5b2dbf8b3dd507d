"""A prediction request in, a prediction out: what the BentoML service does with its prediction service."""

import asyncio
import logging
from typing import Any, Protocol

from starlette.responses import Response

from investlab.api.exchange import ERROR_STATE
from investlab.api.translation import unexpected
from investlab.core.errors import InvestlabError
from investlab.schemas.serving import PredictRequest, PredictResponse
from investlab.services.serving import PredictionService

BENTOML_REQUEST_LOG = "bentoml._internal.server.http_app"
_log = logging.getLogger(__name__)


class CallContext(Protocol):
    """BentoML's context of a call: the request's scope, and the status of the answer."""

    @property
    def request(self) -> Any:
        """Return the request."""
        ...

    @property
    def response(self) -> Any:
        """Return what the answer will be."""
        ...


async def answer(
    predictions: PredictionService, request: PredictRequest, context: CallContext
) -> PredictResponse | Response:
    """Return the prediction; of an error, a bare response whose place the edge gives to the error left in the scope.

    BentoML would make a nameless 500 of our errors. What takes long runs in a thread, so that others are answered
    meanwhile.
    """
    state: dict[str, Any] = context.request.scope["state"]
    request_id: str = state["request_id"]
    try:
        if predictions.is_quick(request):
            return predictions.predict(request, request_id)
        return await asyncio.to_thread(predictions.predict, request, request_id)
    except InvestlabError as error:
        state[ERROR_STATE] = error
    except Exception as error:  # noqa: BLE001 - told in our log, and nothing of it to the caller
        _log.error("%s: unexpected error", request_id, exc_info=error)
        state[ERROR_STATE] = unexpected()
    context.response.status_code = state[ERROR_STATE].status
    return Response(status_code=state[ERROR_STATE].status)


def quiet_bentoml() -> None:
    """Keep BentoML from logging a traceback, with what was sent, for every request that does not parse.

    The edge logs each request, and `answer` what goes wrong inside.
    """
    logging.getLogger(BENTOML_REQUEST_LOG).setLevel(logging.CRITICAL)
