"""From scores to the weights of a portfolio."""

import numpy as np
import pandas as pd

from investlab.analytics.ranks import average_ranks
from investlab.backtest.strategies import strongest
from investlab.core.errors import InvalidInput


def score_weights(scores: pd.DataFrame, k: int = 5) -> pd.DataFrame:
    """Return equal weights of the `k` highest scores at each month's first session that has any (sessions × symbols).

    `scores` is sessions × symbols, NaN where an instrument has none; such instruments are left out. Each chosen one
    gets 1/k, what is left stays in cash, and equal scores rank by column. Only the deciding sessions have a row, so
    `simulate_weights` holds in between; a row depends on that session's scores alone.

    Raises:
        InvalidInput: `k` is no positive whole number, or the sessions are not increasing dates.
    """
    if type(k) is not int or k < 1:
        raise InvalidInput(f"k is {k!r}.", remedy="Give a whole number that is at least 1.")
    index = scores.index
    if not isinstance(index, pd.DatetimeIndex) or not index.is_monotonic_increasing or not index.is_unique:
        raise InvalidInput("The scores have no increasing index of sessions.", remedy="Sort them by session.")
    values = scores.to_numpy(dtype=np.float64, na_value=np.nan)
    scored = np.flatnonzero(~np.isnan(values).all(axis=1))
    months = index.to_numpy().astype("datetime64[M]")[scored]
    deciding = scored[np.append(True, months[1:] != months[:-1])] if len(scored) else scored
    weights = np.zeros((len(deciding), values.shape[1]))
    # `strongest` compares within a relative tolerance, which needs positive numbers; scores may be negative.
    for row, ranks in enumerate(average_ranks(values[deciding])):
        weights[row, strongest(ranks, k)] = 1.0 / k
    return pd.DataFrame(weights, index=index[deciding], columns=scores.columns)
