"""Returns by calendar month and year."""

import numpy as np
import pandas as pd

from investlab.analytics.series import checked_returns
from investlab.core.errors import InvalidInput

MONTHS = tuple(range(1, 13))


def monthly_returns(returns: pd.Series) -> pd.DataFrame:
    """Return a row for each year: the months 1 to 12 and the whole year under `year`, each compounded.

    A month without a session is NaN, never 0. A month that the series covers in part counts with that part.

    Raises:
        InvalidInput: The series is none of returns or its index has no dates.
    """
    values = checked_returns(returns)
    if not isinstance(returns.index, pd.DatetimeIndex):
        raise InvalidInput("The returns have no dates.", remedy="Give a series indexed by session.")
    years, months = returns.index.year.to_numpy(), returns.index.month.to_numpy()
    labels = np.unique(years)
    growth = np.full((len(labels), len(MONTHS) + 1), np.nan)
    for row, year in enumerate(labels):
        for column, month in enumerate(MONTHS):
            chosen = (years == year) & (months == month)
            if chosen.any():
                growth[row, column] = np.prod(1.0 + values[chosen])
        growth[row, -1] = np.nanprod(growth[row, :-1])
    return pd.DataFrame(growth - 1.0, index=pd.Index(labels, name="year"), columns=[*MONTHS, "year"])
