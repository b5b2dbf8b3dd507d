"""The quality checks: of the delivery as a whole, of single bars, and of sound bars in their sequence."""

from collections.abc import Callable

import numpy as np

from investlab.market.quality_settings import QualitySettings
from investlab.market.quality_table import NO_POSITION, BarArrays
from investlab.schemas.market import PRICE_FIELDS

RowCheck = Callable[[BarArrays, QualitySettings], np.ndarray]
FINEST_DECIMALS = 7
PROBE = 4096


def shifted(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    """Return a mask of the bars whose sessions all look one day early or late, by instrument or altogether.

    A zone applied wrongly moves Friday's bars to Saturday, or Monday's to Sunday, and every other one as well.
    """
    none = np.zeros(len(bars), dtype=bool)
    extra = bars.positions == NO_POSITION
    if not extra.any() or not len(bars.sessions):
        return none
    owners = (bars.codes, np.zeros(len(bars), dtype=np.int64))
    suspects = [_share_of(extra, owner, settings) for owner in owners]
    if not any(suspect.any() for suspect in suspects):
        return none
    sessions = bars.sessions.astype(np.int64)
    found = none
    for days in (bars.days + 1, bars.days - 1):
        judged = (days >= sessions[0]) & (days <= sessions[-1])
        fits = judged & np.isin(days, sessions)
        for owner, suspect in zip(owners, suspects, strict=True):
            size = len(suspect)
            number = np.bincount(owner[judged], minlength=size)
            fitting = np.bincount(owner[fits], minlength=size)
            moved = suspect & (number >= settings.shifted_least) & (fitting >= settings.shifted_fit * number)
            found = found | moved[owner]
    return found


def _share_of(extra: np.ndarray, owner: np.ndarray, settings: QualitySettings) -> np.ndarray:
    """Return whether enough of each owner's bars lie on days without a session."""
    bars = np.bincount(owner)
    number = np.bincount(owner[extra], minlength=len(bars))
    enough: np.ndarray = (number >= settings.shifted_least) & (number >= settings.shifted_share * bars)
    return enough


def repeats(bars: BarArrays) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the bars that repeat the one before them exactly, and of those that contradict it."""
    again = bars.follows()
    again[1:] &= bars.days[1:] == bars.days[:-1]
    places = np.flatnonzero(again)
    equal = np.ones(len(places), dtype=bool)
    for values in bars.values.values():
        here, before = values[places], values[places - 1]
        equal &= (here == before) | (np.isnan(here) & np.isnan(before))
    exact, other = np.zeros(len(bars), dtype=bool), np.zeros(len(bars), dtype=bool)
    exact[places[equal]] = other[places[~equal]] = True
    return exact, other


def _no_session(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    absent: np.ndarray = bars.positions == NO_POSITION
    return absent


def _not_positive(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    sound = np.ones(len(bars), dtype=bool)
    for name in (*PRICE_FIELDS, "adjusted_close"):
        if name in bars.values:
            sound &= (bars.values[name] > 0) & (bars.values[name] < np.inf)
    return ~sound


def _high_below_low(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    return _above(bars, "low", "high", settings)


def _close_outside(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    outside: np.ndarray = _above(bars, "close", "high", settings) | _above(bars, "low", "close", settings)
    return outside


def _open_outside(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    outside: np.ndarray = _above(bars, "open", "high", settings) | _above(bars, "low", "open", settings)
    return outside


def _above(bars: BarArrays, lower: str, upper: str, settings: QualitySettings) -> np.ndarray:
    """Return where the field that is to be lower lies above the other by more than rounding."""
    if lower not in bars.values or upper not in bars.values:
        return np.zeros(len(bars), dtype=bool)
    low, high = bars.values[lower], bars.values[upper]
    above: np.ndarray = low > high
    places = np.flatnonzero(above)
    above[places] = low[places] > high[places] * (1 + settings.range_tolerance)
    return above


def _negative_volume(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    if "volume" not in bars.values:
        return np.zeros(len(bars), dtype=bool)
    return ~((bars.values["volume"] >= 0) & (bars.values["volume"] < np.inf))


ROW_CHECKS: dict[str, tuple[str, RowCheck]] = {
    "extra_sessions": ("bars on days that are no session of the calendar", _no_session),
    "price_not_positive": ("prices missing or not positive", _not_positive),
    "high_below_low": ("a high below the low", _high_below_low),
    "close_outside_bar": ("a close outside the range of high and low", _close_outside),
    "open_outside_bar": ("an open outside the range of high and low", _open_outside),
    "negative_volume": ("volume missing or negative", _negative_volume),
}
"""What makes a single bar one that cannot be true, by name; a bar counts under the first that it fails."""


def stale_runs(bars: BarArrays, settings: QualitySettings) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of an unchanged close with volume begin, and how many sessions each lasts."""
    close = bars.values["close"]
    same = bars.follows()
    same[1:] &= close[1:] == close[:-1]
    if "volume" in bars.values:
        traded = bars.values["volume"] > 0
        same[1:] &= traded[1:] & traded[:-1]
    places = np.flatnonzero(same)
    breaks = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    lengths = np.diff(np.append(breaks, len(places))) + 1
    stale = lengths >= settings.stale_sessions
    starts: np.ndarray = places[breaks[stale]] - 1
    return starts, lengths[stale]


def zero_volume(bars: BarArrays) -> np.ndarray:
    """Return where nothing was traded."""
    if "volume" not in bars.values:
        return np.zeros(len(bars), dtype=bool)
    nothing: np.ndarray = bars.values["volume"] == 0
    return nothing


def coarse_ticks(bars: BarArrays, settings: QualitySettings) -> np.ndarray:
    """Return where the close is so low that one tick, the finest step of the closes, is a large share of it."""
    close = bars.values["close"]
    coarse: np.ndarray = close < 10.0 ** -_decimals(close) / settings.coarse_share
    return coarse


def _decimals(prices: np.ndarray) -> int:
    """Return with how many decimals prices are written."""
    for digits in range(2, FINEST_DECIMALS):
        if _is_rounded(prices[:PROBE], digits) and _is_rounded(prices, digits):
            return digits
    return FINEST_DECIMALS


def _is_rounded(prices: np.ndarray, digits: int) -> bool:
    return bool((np.abs(prices - np.round(prices, digits)) <= 10.0 ** -(digits + 3)).all())
