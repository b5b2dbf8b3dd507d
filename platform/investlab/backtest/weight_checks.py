"""Compiled facts about rows of weights, found in one pass over them."""

from typing import NamedTuple

import numpy as np

from investlab.analytics.compiled import compiled


class RowFacts(NamedTuple):
    """For each row: how many weights are missing, whether one is infinite or negative, and Σ|w| of those known."""

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
        gross = 0.0
        for weight in rows[row]:
            if np.isnan(weight):
                facts.missing[row] += 1
            else:
                gross += abs(weight)
                if weight < 0.0:
                    facts.negative[row] = True
        facts.infinite[row] = np.isinf(gross)
        facts.gross[row] = gross
    return facts
