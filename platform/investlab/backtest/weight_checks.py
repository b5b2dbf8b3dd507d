"""Compiled facts about rows of weights, found in one pass over them."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled


class RowFacts(NamedTuple):
    """For each row: how many weights are missing; where none is, whether one is infinite or negative, and Σ|w|."""

    missing: np.ndarray
    infinite: np.ndarray
    negative: np.ndarray
    gross: np.ndarray


@compiled
def row_facts(rows: np.ndarray) -> RowFacts:
    """Return the facts about each row of weights (rows × instruments)."""
    count = len(rows)
    facts = RowFacts(
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
        np.zeros(count, dtype=np.bool_),
        np.zeros(count),
    )
    for row in range(count):
        missing = 0  # NaN alone differs from itself
        for weight in rows[row]:
            missing += weight != weight
        facts.missing[row] = missing
        if missing > 0:
            continue
        gross, least = 0.0, 0.0
        for weight in rows[row]:
            gross += abs(weight)
            least = min(least, weight)
        facts.negative[row] = least < 0.0
        facts.infinite[row] = np.isinf(gross)
        facts.gross[row] = gross
    return facts
