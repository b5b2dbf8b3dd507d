"""The baseline that a trained model has to beat: plain twelve-month momentum."""

from dataclasses import dataclass
from typing import ClassVar

from investlab.core.errors import InvalidInput
from investlab.ml.linear import LinearWeights
from investlab.ml.training_sets import TrainingRows
from investlab.schemas.registry import ArtifactFormat

FEATURE = "momentum_12_1"


@dataclass(frozen=True, slots=True)
class MomentumBaseline:
    """Scores by `momentum_12_1` alone: weight 1 on it, 0 on any other feature; nothing is fitted."""

    artifact_format: ClassVar[ArtifactFormat] = ArtifactFormat.LINEAR_JSON

    def fit(self, rows: TrainingRows, seed: int) -> bytes:
        """Return the artifact, which depends on the names of the features only.

        Raises:
            InvalidInput: `momentum_12_1` is not among the features.
        """
        if FEATURE not in rows.names:
            raise InvalidInput(
                f"The learner {FEATURE} needs the feature {FEATURE}.", remedy=f"Put {FEATURE} among the features."
            )
        return LinearWeights(rows.names, tuple(float(name == FEATURE) for name in rows.names)).to_bytes()
