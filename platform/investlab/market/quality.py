"""Quality checks on a batch of daily bars before it is stored."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from investlab.schemas.market import PRICE_FIELDS
from investlab.schemas.quality import Finding, QualityReport, Severity

EXTREME_RETURN = 0.5
COARSE_SHARE = 0.005
RANGE_TOLERANCE = 1e-9

Check = Callable[[pd.DataFrame, np.ndarray], tuple[Severity, pd.Series, str]]


def check_bars(bars: pd.DataFrame, sessions: np.ndarray) -> QualityReport:
    """Return what is wrong with bars, errors first, then in the order of the checks.

    `bars` has symbol, session (datetime64) and any bar fields; `sessions` are the calendar's sessions in the batch's
    range. Errors: repeated bars, days that are no session, prices that are missing or not positive, a high or low that
    does not contain the other prices, negative volume. Warnings: sessions without a bar, jumps above 50 %, coarse
    ticks.
    """
    findings = [_finding(name, check(bars, sessions), bars) for name, check in _CHECKS.items()]
    found = [finding for finding in findings if finding.count]
    return QualityReport(bars=len(bars), findings=tuple(sorted(found, key=lambda f: f.severity is not Severity.ERROR)))


def _finding(name: str, outcome: tuple[Severity, pd.Series, str], bars: pd.DataFrame) -> Finding:
    severity, bad, sentence = outcome
    if bad.dtype == bool:
        rows = bars[bad.to_numpy()]
        examples = [f"{row.symbol} {row.session:%Y-%m-%d}" for row in rows.head(3).itertuples()]
        count = len(rows)
    else:
        positive = bad[bad > 0]
        examples = [f"{symbol}: {number}" for symbol, number in positive.head(3).items()]
        count = int(positive.sum())
    return Finding(check=name, severity=severity, count=count, sentence=sentence, examples=tuple(examples))


def _prices(bars: pd.DataFrame) -> pd.DataFrame:
    return bars[[name for name in (*PRICE_FIELDS, "adjusted_close") if name in bars.columns]]


def _repeated(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    return Severity.ERROR, bars.duplicated(["symbol", "session"], keep="first"), "more than one bar for a session"


def _no_session(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    days = bars["session"].to_numpy().astype("datetime64[D]")
    return Severity.ERROR, pd.Series(~np.isin(days, sessions)), "bars on days that are no session of the calendar"


def _not_positive(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    values = _prices(bars).to_numpy(dtype=np.float64)
    return (
        Severity.ERROR,
        pd.Series(~((values > 0) & np.isfinite(values)).all(axis=1)),
        "prices missing or not positive",
    )


def _outside_range(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    if not set(PRICE_FIELDS) <= set(bars.columns):
        return Severity.ERROR, pd.Series(np.zeros(len(bars), dtype=bool)), ""
    slack = bars["close"] * RANGE_TOLERANCE
    high_low = (bars["high"] + slack < bars[["open", "close", "low"]].max(axis=1)) | (
        bars["low"] - slack > bars[["open", "close", "high"]].min(axis=1)
    )
    return Severity.ERROR, high_low, "open or close outside the range of high and low"


def _negative_volume(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    if "volume" not in bars.columns:
        return Severity.ERROR, pd.Series(np.zeros(len(bars), dtype=bool)), ""
    return Severity.ERROR, ~(bars["volume"] >= 0), "volume missing or negative"


def _absent_sessions(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    spans = bars.groupby("symbol")["session"].agg(["min", "max", "nunique"])
    first = np.searchsorted(sessions, spans["min"].to_numpy().astype("datetime64[D]"))
    last = np.searchsorted(sessions, spans["max"].to_numpy().astype("datetime64[D]"), side="right")
    absent = pd.Series(last - first - spans["nunique"].to_numpy(), index=spans.index).clip(lower=0).astype(np.int64)
    return Severity.WARNING, absent, "sessions of the calendar without a bar"


def _jumps(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    ordered = bars.sort_values(["symbol", "session"], kind="stable")
    change = ordered.groupby("symbol")["close"].pct_change().abs()
    return Severity.WARNING, (change > EXTREME_RETURN).reindex(bars.index), "closes that moved by more than 50 %"


def _coarse_ticks(bars: pd.DataFrame, sessions: np.ndarray) -> tuple[Severity, pd.Series, str]:
    tick = 10.0 ** -_decimals(bars["close"])
    coarse = bars["close"] < tick / COARSE_SHARE
    return Severity.WARNING, coarse, "closes so low that one tick is more than 0.5 % of the price"


def _decimals(prices: pd.Series) -> int:
    for digits in range(2, 7):
        if np.allclose(prices, prices.round(digits), rtol=0, atol=10.0 ** -(digits + 3)):
            return digits
    return 7


_CHECKS: dict[str, Check] = {
    "repeated_bars": _repeated,
    "no_session": _no_session,
    "price_not_positive": _not_positive,
    "outside_range": _outside_range,
    "negative_volume": _negative_volume,
    "absent_sessions": _absent_sessions,
    "jumps": _jumps,
    "coarse_ticks": _coarse_ticks,
}
