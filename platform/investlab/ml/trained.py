"""A trained model as notebooks show it: the recorded run and how the model did out of sample."""

from dataclasses import dataclass
from typing import ClassVar

from investlab.core.display import Displayable
from investlab.ml.evaluation import Evaluation
from investlab.schemas.registry import Scorecard, TrainingRunInfo


@dataclass(frozen=True, slots=True)
class TrainedModel(Displayable):
    """The outcome of a completed training run; its artifact lies in the artifact store."""

    renderer: ClassVar[str] = "scorecards"

    run: TrainingRunInfo
    evaluation: Evaluation

    @property
    def run_id(self) -> str:
        """Return the id of the training run."""
        return self.run.run_id

    @property
    def scorecard(self) -> Scorecard:
        """Return the information coefficient out of sample with its confidence interval."""
        return self.evaluation.scorecard

    def __repr__(self) -> str:
        card = self.scorecard
        return (
            f"<TrainedModel {self.run_id} {self.run.spec.learner}: information coefficient "
            f"{card.information_coefficient:.4f} [{card.interval_low:.4f}, {card.interval_high:.4f}] "
            f"on {card.observations} sessions>"
        )
