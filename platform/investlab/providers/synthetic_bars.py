"""The bars of synthetic companies: what a vendor would print of their true paths, in cents and whole shares."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from investlab.providers.synthetic_companies import Company
from investlab.providers.synthetic_draws import Draws
from investlab.providers.synthetic_paths import make_path
from investlab.providers.synthetic_plan import Plan

FIELDS = ("open", "high", "low", "close", "volume")
CENTS = 100.0
OVERNIGHT_SHARE = 0.4
LEAST_TRADED, MOST_TRADED = 3e5, 3e8
ACTIVITY = 20.0
LEAST_VOLUME = 100.0


def make_bars(plan: Plan, companies: Sequence[Company], first: int, last: int) -> pd.DataFrame:
    """Return the bars of companies between two positions, ordered by company as given and session."""
    chosen = [(company, _positions(company, first, last)) for company in companies]
    edges = np.cumsum([0, *(len(positions) for _, positions in chosen)])
    values = np.empty((len(FIELDS), edges[-1]))
    places = np.empty(edges[-1], dtype=np.int64)
    for (company, positions), start, end in zip(chosen, edges, edges[1:], strict=False):
        if len(positions):
            places[start:end] = positions
            _print_bars(plan, company, positions, values[:, start:end])
    codes = np.repeat(np.arange(len(companies), dtype=np.int32), np.diff(edges))
    symbols = pd.Categorical.from_codes(
        codes, categories=pd.Index([company.symbol for company in companies], dtype=str)
    )
    columns = {"symbol": symbols, "session": plan.sessions.astype("datetime64[s]")[places]}
    return pd.DataFrame(columns | dict(zip(FIELDS, values, strict=True)), copy=False)


def _positions(company: Company, first: int, last: int) -> np.ndarray:
    """Return the positions at which a company has bars."""
    positions = np.arange(max(company.first, first), min(company.last, last) + 1)
    for start, end in company.halts:
        positions = positions[(positions < start) | (positions >= end)]
    return positions


def _print_bars(plan: Plan, company: Company, positions: np.ndarray, out: np.ndarray) -> None:
    """Write a company's open, high, low, close and volume into the rows of an array."""
    path = make_path(plan, company.number)
    draws = Draws(plan.seed, plan.size.name, "bars", company.number)
    size = len(path.close)
    share = draws.between(0, 1)
    traded = LEAST_TRADED + MOST_TRADED * (share * share * share * share)
    gap, back, above, below = draws.four_uniforms(size)
    activity = draws.uniform(size)
    returns, movement = path.returns, path.movement
    opened = path.close / (1.0 + returns) * (1.0 + OVERNIGHT_SHARE * returns + movement * (gap - back))
    high = np.maximum(opened, path.close) * (1.0 + movement * above * above)
    low = np.minimum(opened, path.close) * (1.0 - movement * below * below)
    volume = traded * (0.5 + activity + ACTIVITY * np.abs(returns)) / path.close
    wanted = positions - company.first
    for row, prices in enumerate((opened, high, low, path.close)):
        out[row] = np.maximum(np.rint(prices[wanted] * CENTS), 1.0) / CENTS
    out[-1] = np.floor(volume[wanted]) + LEAST_VOLUME
