"""What a workspace does with models: features, training, the registry, predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from investlab.features.definitions import FEATURES
from investlab.features.matrix import FeatureMatrix, build_features
from investlab.market.panel import PricePanel
from investlab.ml.trained import TrainedModel
from investlab.schemas.registry import ModelVersionInfo, PromotionDecision, PromotionReceipt, TrainingSpec
from investlab.schemas.serving import PredictResponse
from investlab.services import frames, registry
from investlab.services.holdouts import admitted
from investlab.services.predicting import predict_symbols
from investlab.services.training import run_training
from investlab.services.workspace_base import WorkspaceBase


class ModelMethods(WorkspaceBase):
    """The methods of a workspace about models."""

    def features(self, panel: PricePanel, names: Sequence[str] = tuple(FEATURES)) -> FeatureMatrix:
        """Return features of a panel (sessions × instruments × features); row *t* uses only what *t*'s close knew.

        Raises:
            NotFound: There is no such feature; near matches are named.
        """
        return build_features(panel, tuple(names))

    def train(
        self,
        learner: str,
        panel: PricePanel,
        *,
        features: Sequence[str] | None = None,
        horizon_sessions: int = 21,
        folds: int = 5,
        sample_every_sessions: int = 5,
        parameters: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> TrainedModel:
        """Return a recorded training run with its out-of-sample scores; the same training again comes from its record.

        Raises:
            NotFound: Learner or feature is unknown; near matches are named.
            InvalidInput: The panel was made from frames, or is too short for the folds.
        """
        spec = TrainingSpec(
            learner=learner,
            features=tuple(features or FEATURES),
            horizon_sessions=horizon_sessions,
            folds=folds,
            sample_every_sessions=sample_every_sessions,
            parameters=dict(parameters or {}),
            seed=seed,
        )
        with self._progress(f"training {learner}") as progress:
            return run_training(self.context, spec, admitted(self.context, panel), progress)

    def register(self, trained: TrainedModel, model: str) -> ModelVersionInfo:
        """Make a trained model a version of `model`; the same content again is the same version.

        Raises:
            InvalidInput: The artifact cannot be read back safely, or its features are not known here.
        """
        return registry.register(self.context, trained, model)

    def assess(self, version: ModelVersionInfo) -> PromotionDecision:
        """Return what the promotion rule says of a version, without moving anything."""
        return registry.assess(self.context, version.model, version.number)

    def promote(self, version: ModelVersionInfo, *, force: bool = False) -> PromotionReceipt:
        """Make a version the champion of its model.

        Raises:
            Conflict: The rule refuses it; `force` overrides the rule, and the audit says so.
        """
        return registry.promote(self.context, version.model, version.number, actor=self.context.owner, force=force)

    def consider(self, version: ModelVersionInfo) -> PromotionReceipt:
        """Promote a version if the rule allows it, else make it challenger; the receipt holds the decision."""
        return registry.consider(self.context, version.model, version.number, actor=self.context.owner)

    def rollback(self, model: str) -> PromotionReceipt:
        """Give the name `champion` back to the version that had it before.

        Raises:
            Conflict: There is none.
        """
        return registry.rollback(self.context, model, actor=self.context.owner)

    def champion(self, model: str) -> ModelVersionInfo | None:
        """Return the version that is served, None when there is none."""
        return registry.champion(self.context, model)

    def models(self, model: str | None = None) -> pd.DataFrame:
        """Return the versions of one model or of all, ordered by model and number."""
        return frames.models_frame(registry.versions(self.context, model))

    def predict(self, symbols: Sequence[str], model: str | None = None) -> PredictResponse:
        """Return the champion's scores of symbols as of this workspace's time, in the answer envelope.

        Raises:
            ModelUnavailable: The model has no champion.
            NotFound: A symbol is unknown; near matches are named.
        """
        return predict_symbols(self.context, tuple(symbols), model or self.context.settings.model)
