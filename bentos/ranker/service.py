"""The ranker as a BentoML service; one file that runs under the gateway, under `bentoml serve`, and in a built bento.

The gateway gives it the prediction service it runs beside; by itself the service opens its own: over the home of
INVESTLAB_HOME in a checkout, over the model it carries in a bento (`investlab model export`).
"""

from pathlib import Path
from typing import ClassVar

import bentoml

from investlab.api.scoring import answer
from investlab.api.standalone import Standalone, StandaloneEdge
from investlab.schemas.serving import Health, PredictRequest, PredictResponse
from investlab.services.serving import PredictionService

HERE = Path(__file__).resolve().parent
MODEL_TAG = HERE / "model.tag"
"""Names the model in BentoML's store; written by the export, so it exists in a built bento only."""


@bentoml.service(
    name="ranker",
    workers=1,
    traffic={"timeout": 60},  # the edge answers earlier, in our shape
    metrics={"enabled": False},  # it labels every path a caller makes up
    logging={"access": {"enabled": False}},
)
class Ranker:
    """Scores instruments by the return expected of them; the signed-in caller's score is logged before it leaves."""

    hosted: ClassVar[PredictionService | None] = None
    """What the gateway gives before the service starts."""

    def __init__(self) -> None:
        self.alone = None if self.hosted else Standalone.open(HERE, _packaged_model())
        self.predictions = self.hosted or self.alone.predictions

    @bentoml.on_startup
    async def start(self) -> None:
        """Follow the registry, where nobody else does."""
        if self.alone is not None:
            await self.alone.start()

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Let go of what `start` holds."""
        if self.alone is not None:
            await self.alone.stop()

    @bentoml.api(route="/v1/predict")
    async def predict(self, request: PredictRequest, /, ctx: bentoml.Context) -> PredictResponse:
        """Score rows of features, or symbols whose features the platform builds from its store."""
        return await answer(self.predictions, request, ctx)

    @bentoml.api(route="/v1/health")
    async def health(self) -> Health:
        """Say whether predictions can be made, and with which version of the model."""
        return self.predictions.health()


def _packaged_model() -> Path | None:
    """Return the folder of the model that a built bento carries."""
    if not MODEL_TAG.exists():
        return None
    return Path(bentoml.models.get(MODEL_TAG.read_text(encoding="utf-8").strip()).path)


Ranker.add_asgi_middleware(StandaloneEdge)  # the gateway takes it off: its own edge lies outermost
