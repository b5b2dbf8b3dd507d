"""Predictions from a notebook: the answer that an app would get, as of the workspace's time."""

from collections.abc import Sequence
from contextlib import closing

from investlab.schemas.serving import PredictRequest, PredictResponse
from investlab.services.context import Context
from investlab.services.model_host import ModelHost
from investlab.services.model_sources import RegistrySource
from investlab.services.serving import PredictionService
from investlab.services.symbol_features import SymbolFeatures


def predict_symbols(context: Context, symbols: Sequence[str], model: str) -> PredictResponse:
    """Return the champion's scores of symbols, recorded like every prediction.

    Raises:
        ModelUnavailable: The model has no champion, or it cannot be loaded.
        NotFound: A symbol is unknown; near matches are named.
        InvalidInput: A symbol's history is too short, or the workspace's time lies after the session clock.
    """
    host = ModelHost(RegistrySource(context, model))
    host.refresh()
    request = PredictRequest(symbols=tuple(symbols), as_of=context.as_of)
    with closing(context.predictions.spool()) as spool:
        service = PredictionService(host, spool, context.clock, SymbolFeatures(context), "notebook")
        return service.predict(request, context.new_id("rq", *symbols))
