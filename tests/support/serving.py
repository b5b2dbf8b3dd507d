"""Served models of a test: a predictor that is a weighted sum, versions of it, and a source that can be broken."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np

from investlab.core.errors import Corrupt, InvestlabError
from investlab.schemas.registry import (
    ArtifactFormat,
    InputSignature,
    ModelLineage,
    ModelVersionInfo,
    Scorecard,
)
from investlab.schemas.serving import PredictionRecord

FEATURES = ("alpha", "beta", "gamma")


@dataclass(frozen=True, slots=True)
class SumPredictor:
    """Scores a row with the sum of its values times the weights, plus one."""

    weights: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return a score for each row."""
        return rows @ self.weights + 1.0

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return what each feature adds."""
        return rows * self.weights

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        """Return what every score starts from."""
        return np.ones(len(rows))


def load_sum(content: bytes, artifact_format: ArtifactFormat, signature: InputSignature) -> SumPredictor:
    """Build the predictor from its weights as JSON."""
    try:
        weights = json.loads(content)
    except ValueError as error:
        raise Corrupt("The artifact is no list of weights.") from error
    return SumPredictor(np.array(weights, dtype=np.float64))


def artifact_of(*weights: float) -> bytes:
    """Return the artifact of these weights."""
    return json.dumps(weights).encode()


def version_of(
    content: bytes,
    number: int = 1,
    *,
    features: Sequence[str] = FEATURES,
    symbols: Sequence[str] = ("AAA", "BBB", "CCC"),
    dataset: str = "test-raw",
    trained_through: date | None = None,
) -> ModelVersionInfo:
    """Return a version whose artifact is this."""
    return ModelVersionInfo(
        version_id=f"mv-{number:04d}",
        model="us-ranker",
        number=number,
        learner="momentum_12_1",
        signature=InputSignature(features=tuple(features), horizon_sessions=21),
        artifact_format=ArtifactFormat.LINEAR_JSON,
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        evaluation_sha256="0" * 64,
        scorecard=Scorecard(
            information_coefficient=0.05,
            interval_low=0.01,
            interval_high=0.09,
            observations=500,
            effective_observations=24,
            folds=5,
        ),
        lineage=ModelLineage(
            training_run=f"tr-{number:04d}",
            dataset=dataset,
            dataset_version=1,
            as_of=None,
            panel_id="pn-test",
            symbols=tuple(symbols),
            pipeline_step=None,
            code_identity="c" * 64,
            lock_hash="l" * 64,
            platform_version="0.1.0",
            trained_through=trained_through,
        ),
        content_hash="h" * 64,
        created_at=datetime(2024, 1, 2, tzinfo=UTC),
    )


@dataclass(slots=True)
class ScriptedSource:
    """A model source that says what the test tells it to."""

    version: ModelVersionInfo | None = None
    content: bytes = b""
    failure: InvestlabError | None = None
    reads: int = 0
    model: str = "us-ranker"
    trained_through: date | None = None

    def promote(self, content: bytes, number: int) -> None:
        """Let a version of this artifact be champion."""
        self.content = content
        self.version = version_of(content, number, trained_through=self.trained_through)

    def champion(self) -> ModelVersionInfo | None:
        """Return the champion."""
        if self.failure is not None:
            raise self.failure
        return self.version

    def artifact(self, version: ModelVersionInfo) -> bytes:
        """Return the champion's artifact and count that it was read."""
        self.reads += 1
        return self.content


@dataclass(slots=True)
class KeptRecords:
    """A prediction log in memory that can be full."""

    records: list[PredictionRecord] = field(default_factory=list)
    failure: Exception | None = None

    def append(self, record: PredictionRecord) -> None:
        """Keep a record."""
        if self.failure is not None:
            raise self.failure
        self.records.append(record)

    def sync(self) -> None:
        """Have nothing to write."""
        return
