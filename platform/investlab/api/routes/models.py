"""Models, their versions, and moving their aliases."""

from fastapi import FastAPI

from investlab.api.declarations import GUARDED, ModelName, VersionNumber, errors
from investlab.api.services import GatewayServices
from investlab.core.errors import Conflict, InvalidInput, NotFound
from investlab.schemas.gateway import RegisteredModel
from investlab.schemas.registry import Alias, ModelVersionInfo, PromotionReceipt
from investlab.services import registry

ACTOR = "api"
READ = errors(*GUARDED, NotFound, InvalidInput)
CHANGE = errors(*GUARDED, NotFound, InvalidInput, Conflict)


def add_models(app: FastAPI, services: GatewayServices) -> None:
    """Add the routes of models and their versions."""
    context = services.context

    @app.get("/v1/models", responses=errors(*GUARDED), tags=["models"])
    def list_models() -> tuple[RegisteredModel, ...]:
        """List the models with their versions, ordered by name."""
        versions = registry.versions(context)
        return tuple(_model(name, versions) for name in sorted({version.model for version in versions}))

    @app.get("/v1/models/{model}", responses=READ, tags=["models"])
    def show_model(model: ModelName) -> RegisteredModel:
        """Return a model with its versions, latest first."""
        versions = registry.versions(context)
        names = {version.model for version in versions}
        if model not in names:
            raise NotFound.named("model", model, names)
        return _model(model, versions)

    @app.get("/v1/models/{model}/versions/{number}", responses=READ, tags=["models"])
    def show_version(model: ModelName, number: VersionNumber) -> ModelVersionInfo:
        """Return a model version: signature, scorecard and what it stands on."""
        return registry.version(context, model, number)

    @app.post("/v1/models/{model}/versions/{number}/promote", responses=CHANGE, tags=["models"])
    def promote(model: ModelName, number: VersionNumber) -> PromotionReceipt:
        """Make a version the champion if the promotion rule allows it."""
        return registry.promote(context, model, number, actor=ACTOR)

    @app.post("/v1/models/{model}/rollback", responses=CHANGE, tags=["models"])
    def rollback(model: ModelName) -> PromotionReceipt:
        """Give the champion alias back to the version that had it before."""
        return registry.rollback(context, model, actor=ACTOR)


def _model(name: str, versions: list[ModelVersionInfo]) -> RegisteredModel:
    own = sorted((version for version in versions if version.model == name), key=lambda each: -each.number)
    bearer = {alias: version.number for version in own for alias in version.aliases}
    return RegisteredModel(
        model=name, champion=bearer.get(Alias.CHAMPION), challenger=bearer.get(Alias.CHALLENGER), versions=tuple(own)
    )
