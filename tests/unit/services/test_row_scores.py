"""Rows are scored once for each version, and what is remembered is what was computed."""

from dataclasses import dataclass, field

import numpy as np

from investlab.services.model_host import LoadedModel
from investlab.services.row_scores import RowScores
from tests.support.serving import FEATURES, SumPredictor, version_of


@dataclass(slots=True)
class Counting:
    """A predictor that counts the rows it explains."""

    inner: SumPredictor = field(default_factory=lambda: SumPredictor(np.array([1.0, 2.0, 3.0])))
    explained: int = 0

    def scores(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.scores(rows)

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.baseline(rows)

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        self.explained += len(rows)
        return self.inner.contributions(rows)


def rows(*firsts: float) -> np.ndarray:
    return np.array([[first, 0.5, -0.25] for first in firsts])


def model(number: int = 1) -> LoadedModel:
    return LoadedModel(version_of(b"", number, features=FEATURES), Counting())


def test_only_rows_not_asked_before_are_computed() -> None:
    scores, loaded = RowScores(), model()
    scores.of(loaded, rows(1.0, 2.0))
    scores.of(loaded, rows(2.0, 3.0, 1.0))
    assert loaded.predictor.explained == 3


def test_remembered_rows_come_in_the_order_asked_and_to_the_bit() -> None:
    scores, loaded = RowScores(), model()
    scores.of(loaded, rows(2.0))
    asked = rows(1.0, 2.0, 3.0, 2.0)
    found = [row.score for row in scores.of(loaded, asked)]
    assert found == loaded.predictor.scores(asked).tolist()


def test_another_version_scores_for_itself() -> None:
    scores, first, second = RowScores(), model(1), model(2)
    scores.of(first, rows(1.0))
    scores.of(second, rows(1.0))
    assert second.predictor.explained == 1


def test_what_is_remembered_is_bounded() -> None:
    scores, loaded = RowScores(kept=2), model()
    scores.of(loaded, rows(1.0, 2.0, 3.0))
    scores.of(loaded, rows(1.0))
    assert loaded.predictor.explained == 4
