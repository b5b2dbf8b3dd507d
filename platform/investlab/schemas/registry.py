"""The registry's records: training runs, model versions, aliases and promotion decisions."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from investlab.schemas.ledger import RunStatus
from investlab.schemas.market import Frozen
from investlab.schemas.tables import fact_table


class Alias(StrEnum):
    """Names that move between the versions of a model."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class ArtifactFormat(StrEnum):
    """Safe formats of a model's file; nothing that can run code when it is read."""

    LIGHTGBM_TEXT = "lightgbm_text"
    LINEAR_JSON = "linear_json"


class InputSignature(Frozen):
    """What a model takes: features by name, in this order, as finite float64.

    The score orders instruments by the return expected over the next `horizon_sessions`.
    """

    features: tuple[str, ...] = Field(min_length=1)
    horizon_sessions: int = Field(ge=1)


class Scorecard(Frozen):
    """A model's information coefficient out of sample: mean, its confidence interval and the sessions it covers.

    `observations` counts scored sessions; `effective_observations` those whose forward returns do not overlap.
    """

    information_coefficient: float
    interval_low: float
    interval_high: float
    confidence: float = Field(0.95, gt=0, lt=1)
    observations: int = Field(ge=0)
    effective_observations: int = Field(ge=0)
    first_session: date | None = None
    last_session: date | None = None
    folds: int = Field(ge=0)

    def __str__(self) -> str:
        interval = f"[{self.interval_low:+.4f}, {self.interval_high:+.4f}]"
        return f"IC {self.information_coefficient:+.4f}, {self.confidence:.0%} interval {interval}"


class TrainingSpec(Frozen):
    """Everything that determines a training run besides code and panel."""

    learner: str
    features: tuple[str, ...]
    horizon_sessions: int = Field(21, ge=1)
    folds: int = Field(5, ge=1)
    sample_every_sessions: int = Field(5, ge=1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0


class ModelLineage(Frozen):
    """What a model version stands on.

    `trained_through` is the last session of the training panel: what the model makes of earlier sessions it may have
    learned from their outcomes. None where it is not recorded.
    """

    training_run: str
    dataset: str
    dataset_version: int
    as_of: datetime | None
    panel_id: str
    symbols: tuple[str, ...]
    pipeline_step: str | None
    code_identity: str
    lock_hash: str
    platform_version: str
    trained_through: date | None = None

    def has_seen_after(self, session: date) -> bool:
        """Say whether the training panel reaches beyond a session, so that its outcome may have been learned."""
        return self.trained_through is not None and session < self.trained_through


class TrainingRunInfo(Frozen):
    """A recorded training run."""

    run_id: str
    key: str
    owner: str
    status: RunStatus
    spec: TrainingSpec
    lineage: ModelLineage
    signature: InputSignature | None
    artifact_format: ArtifactFormat | None
    artifact_sha256: str | None
    evaluation_sha256: str | None
    scorecard: Scorecard | None
    started_at: datetime
    ended_at: datetime | None
    error: str | None


class ModelVersionInfo(Frozen):
    """An immutable version of a model; `content_hash` covers everything but number, aliases and creation time."""

    version_id: str
    model: str
    number: int
    learner: str
    signature: InputSignature
    artifact_format: ArtifactFormat
    artifact_sha256: str
    evaluation_sha256: str
    scorecard: Scorecard
    lineage: ModelLineage
    content_hash: str
    created_at: datetime
    aliases: tuple[Alias, ...] = ()

    @property
    def label(self) -> str:
        """Return the short name people see, such as `us-ranker@2`."""
        return f"{self.model}@{self.number}"

    def _repr_html_(self) -> str:
        lineage = self.lineage
        return fact_table(
            f"model version {self.label}",
            (
                ("learner", self.learner),
                ("out of sample", f"{self.scorecard} over {self.scorecard.observations:,} sessions"),
                ("features", ", ".join(self.signature.features)),
                ("trained on", f"{lineage.dataset}@{lineage.dataset_version}, {len(lineage.symbols)} instruments"),
                ("as of", f"{lineage.as_of:%Y-%m-%d}" if lineage.as_of else "latest"),
                ("trained through", str(lineage.trained_through or "not recorded")),
                ("training run", lineage.training_run),
                ("artifact", f"{self.artifact_format}, sha256 {self.artifact_sha256[:16]}"),
                ("aliases", ", ".join(self.aliases) or "none"),
            ),
        )


class PromotionDecision(Frozen):
    """What the promotion rule says of a challenger, in numbers and in one sentence.

    `gain` is the mean difference of the information coefficients on the sessions both were scored on, with its
    confidence interval; None without a champion.
    """

    promote: bool
    rule: str
    reason: str
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    observations: int = 0

    def _repr_html_(self) -> str:
        verdict = "▲ promote" if self.promote else "▼ keep the champion"
        facts = [("rule", self.rule), ("reason", self.reason)]
        if self.gain is not None and self.gain_low is not None and self.gain_high is not None:
            facts.insert(0, ("gain in IC", f"{self.gain:+.4f} [{self.gain_low:+.4f}, {self.gain_high:+.4f}]"))
        return fact_table(verdict, facts)


class PromotionReceipt(Frozen):
    """What a promotion or roll back did."""

    model: str
    champion: int | None
    previous: int | None
    challenger: int | None
    decision: PromotionDecision | None = None
    event_hash: str | None = None

    def _repr_html_(self) -> str:
        numbers = (("champion", self.champion), ("previous champion", self.previous), ("challenger", self.challenger))
        facts = [(name, "none" if number is None else f"{self.model}@{number}") for name, number in numbers]
        if self.decision is not None:
            facts.append(("decision", self.decision.reason))
        return fact_table(f"aliases of {self.model}", facts)
