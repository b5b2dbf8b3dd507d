"""What moves all synthetic instruments together: calm and turbulent times, the market, and sectors."""

from dataclasses import dataclass

import numpy as np

from investlab.providers.synthetic_draws import Draws

SECTORS = (
    "communication",
    "consumer",
    "energy",
    "financials",
    "health care",
    "industrials",
    "materials",
    "real estate",
    "staples",
    "technology",
    "utilities",
)
CALM_SESSIONS = (120, 420)
TURBULENT_SESSIONS = (20, 90)
CALM_DEVIATION, TURBULENT_DEVIATION = 0.0065, 0.0170
CALM_DRIFT, TURBULENT_DRIFT = 0.0006, -0.0011
SECTOR_DEVIATION = 0.0045
TURBULENT_SCALE = 1.8
"""How many times wider sectors and single instruments move in turbulent times."""


@dataclass(frozen=True, slots=True, eq=False)
class Climate:
    """The common returns by session: `market`, and `sectors` (one row each, in the order of `SECTORS`).

    `scale` is 1 in calm and 1.8 in turbulent sessions; `turbulent` says which they are.
    """

    turbulent: np.ndarray
    scale: np.ndarray
    market: np.ndarray
    sectors: np.ndarray


def make_climate(seed: int, market: str, sessions: int) -> Climate:
    """Return the climate of a market over a number of sessions."""
    turbulent = _turbulent(Draws(seed, market, "regimes"), sessions)
    draws = Draws(seed, market, "common returns")
    scale = np.where(turbulent, TURBULENT_SCALE, 1.0)
    drift = np.where(turbulent, TURBULENT_DRIFT, CALM_DRIFT)
    deviation = np.where(turbulent, TURBULENT_DEVIATION, CALM_DEVIATION)
    common = drift + deviation * draws.normal(sessions)
    sectors = np.stack([SECTOR_DEVIATION * scale * draws.normal(sessions) for _ in SECTORS])
    return Climate(turbulent, scale, common, sectors)


def _turbulent(draws: Draws, sessions: int) -> np.ndarray:
    turbulent = np.zeros(sessions, dtype=bool)
    place, is_turbulent = 0, False
    while place < sessions:
        least, most = TURBULENT_SESSIONS if is_turbulent else CALM_SESSIONS
        length = draws.whole(least, most)
        turbulent[place : place + length] = is_turbulent
        place, is_turbulent = place + length, not is_turbulent
    return turbulent
