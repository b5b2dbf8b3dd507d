"""Scores of rows with what explains them, remembered: explaining a row costs far more than scoring it."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.services.model_host import LoadedModel

KEPT_ROWS = 4096


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row's score and what it is made of; baseline and contributions sum to it."""

    score: float
    baseline: float
    contributions: tuple[float, ...]


class RowScores:
    """Scores rows and remembers the last ones by model version and exact bytes, for several threads.

    What a row gets never depends on the other rows, to the bit, so a remembered row is as good as a computed one. Many
    callers ask for the same symbols between two closes.
    """

    def __init__(self, kept: int = KEPT_ROWS) -> None:
        self._kept = kept
        self._known: OrderedDict[tuple[str, bytes], ScoredRow] = OrderedDict()
        self._guard = threading.Lock()

    def of(self, model: LoadedModel, rows: np.ndarray) -> list[ScoredRow]:
        """Return each row (n × features, in the signature's order) scored and explained.

        Raises:
            InvalidInput: Values are so far out that no finite score comes of them.
        """
        keys = [(model.info.version_id, row.tobytes()) for row in rows]
        with self._guard:
            found = {key: self._known[key] for key in keys if key in self._known}
        missing = [place for place, key in enumerate(keys) if key not in found]
        if missing:
            fresh = dict(zip((keys[place] for place in missing), _score(model, rows, missing), strict=True))
            found.update(fresh)
            self._remember(fresh)
        return [found[key] for key in keys]

    def _remember(self, fresh: dict[tuple[str, bytes], ScoredRow]) -> None:
        with self._guard:
            self._known.update(fresh)
            while len(self._known) > self._kept:
                self._known.popitem(last=False)


def _score(model: LoadedModel, rows: np.ndarray, places: list[int]) -> list[ScoredRow]:
    asked = rows[places]
    with np.errstate(over="ignore", invalid="ignore"):
        scores, baselines = model.predictor.scores(asked), model.predictor.baseline(asked)
        contributions = model.predictor.contributions(asked)
    finite = np.isfinite(scores) & np.isfinite(contributions).all(axis=1)
    if not finite.all():
        row = places[int(np.flatnonzero(~finite)[0])]
        raise InvalidInput(f"Row {row} has values too large to score.", details={"row": row})
    told = zip(scores.tolist(), baselines.tolist(), contributions.tolist(), strict=True)
    return [ScoredRow(score, baseline, tuple(parts)) for score, baseline, parts in told]
