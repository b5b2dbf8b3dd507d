"""The features: what each is, and how far it looks back.

A feature is a function of adjusted closes (sessions × instruments) that gives the same shape. To add one, write it
here with its docstring and list it in `FEATURES`:

    @feature(lookback_sessions=5)
    def return_5(prices: Values) -> Values:
        \"\"\"Growth over the last 5 sessions.\"\"\"
        return prices / past(prices, 5) - 1.0

Row *t* may use rows up to *t* only, no more than `lookback_sessions` before it, and must not depend on the level of an
instrument's prices, which is arbitrary on adjusted prices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import cleandoc

import numpy as np

from investlab.analytics.ranks import scaled_ranks
from investlab.core.errors import InvalidInput, NotFound
from investlab.features.fundamentals import FUNDAMENTAL_FEATURES, FundamentalFeature
from investlab.features.windows import Values, deepest_drawdown, deviation, highest, mean, past, returns

Compute = Callable[[Values], Values]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature: `compute` maps adjusted closes (sessions × instruments) to values of that shape, NaN = unknown.

    Row *t* needs the closes of session *t* and of `lookback_sessions` sessions before it.
    """

    name: str
    lookback_sessions: int
    description: str
    compute: Compute


def feature(*, lookback_sessions: int) -> Callable[[Compute], Feature]:
    """Turn a function into the feature of its name; its docstring's first line becomes the description.

    Raises:
        InvalidInput: The function has no docstring, or the lookback is negative.
    """

    def define(compute: Compute) -> Feature:
        name = getattr(compute, "__name__", "")
        description = cleandoc(compute.__doc__ or "").partition("\n")[0]
        if not description:
            raise InvalidInput(f"The feature {name} has no docstring.", remedy="Say in one sentence what it is.")
        if lookback_sessions < 0:
            raise InvalidInput(f"The feature {name} looks back {lookback_sessions} sessions.", remedy="Give 0 or more.")
        return Feature(name, lookback_sessions, description, compute)

    return define


def rank_of(base: Feature) -> Feature:
    """Return the feature that ranks another one across the instruments of each session, from −0.5 to 0.5.

    An instrument without a close at the session is not among them: some features look past the session's own close.
    """
    return Feature(
        f"{base.name}_rank",
        base.lookback_sessions,
        f"Rank of {base.name} among the session's instruments, from −0.5 (lowest) to 0.5 (highest).",
        lambda prices: scaled_ranks(np.where(np.isnan(prices), np.nan, base.compute(prices))),
    )


@feature(lookback_sessions=252)
def momentum_12_1(prices: Values) -> Values:
    """Growth from 252 to 21 sessions ago (Jegadeesh and Titman, Journal of Finance 48(1), 1993)."""
    return past(prices, 21) / past(prices, 252) - 1.0


@feature(lookback_sessions=126)
def momentum_6_1(prices: Values) -> Values:
    """Growth from 126 to 21 sessions ago."""
    return past(prices, 21) / past(prices, 126) - 1.0


@feature(lookback_sessions=5)
def return_5(prices: Values) -> Values:
    """Growth over the last 5 sessions."""
    return prices / past(prices, 5) - 1.0


@feature(lookback_sessions=21)
def return_21(prices: Values) -> Values:
    """Growth over the last 21 sessions."""
    return prices / past(prices, 21) - 1.0


@feature(lookback_sessions=63)
def return_63(prices: Values) -> Values:
    """Growth over the last 63 sessions."""
    return prices / past(prices, 63) - 1.0


@feature(lookback_sessions=126)
def return_126(prices: Values) -> Values:
    """Growth over the last 126 sessions."""
    return prices / past(prices, 126) - 1.0


@feature(lookback_sessions=21)
def volatility_21(prices: Values) -> Values:
    """Standard deviation of the last 21 returns, per session."""
    return deviation(returns(prices), 21)


@feature(lookback_sessions=63)
def volatility_63(prices: Values) -> Values:
    """Standard deviation of the last 63 returns, per session."""
    return deviation(returns(prices), 63)


@feature(lookback_sessions=252)
def volatility_252(prices: Values) -> Values:
    """Standard deviation of the last 252 returns, per session."""
    return deviation(returns(prices), 252)


@feature(lookback_sessions=63)
def downside_volatility_63(prices: Values) -> Values:
    """Root mean square of the negative ones among the last 63 returns, the others counting as 0, per session."""
    falls = np.minimum(returns(prices), 0.0)
    return np.sqrt(mean(falls * falls, 63))


@feature(lookback_sessions=251)
def high_252(prices: Values) -> Values:
    """Distance (≤ 0) to the highest close of 252 sessions (George and Hwang, Journal of Finance 59(5), 2004)."""
    return prices / highest(prices, 252) - 1.0


@feature(lookback_sessions=125)
def drawdown_126(prices: Values) -> Values:
    """Deepest drawdown (≤ 0) within the last 126 sessions."""
    return deepest_drawdown(prices, 126)


@feature(lookback_sessions=20)
def average_ratio_21(prices: Values) -> Values:
    """Close over the mean close of the last 21 sessions, less 1."""
    return prices / mean(prices, 21) - 1.0


@feature(lookback_sessions=199)
def average_ratio_50_200(prices: Values) -> Values:
    """Mean close of the last 50 sessions over that of the last 200, less 1."""
    return mean(prices, 50) / mean(prices, 200) - 1.0


_DEFINED = (
    momentum_12_1,
    momentum_6_1,
    return_5,
    return_21,
    return_63,
    return_126,
    volatility_21,
    volatility_63,
    volatility_252,
    downside_volatility_63,
    high_252,
    drawdown_126,
    average_ratio_21,
    average_ratio_50_200,
    rank_of(momentum_12_1),
    rank_of(return_21),
    rank_of(volatility_63),
)

FEATURES: dict[str, Feature] = {each.name: each for each in _DEFINED}
"""Every feature of prices alone by name: those that any panel has, and that a training takes unless told."""

AnyFeature = Feature | FundamentalFeature


def find_feature(name: str) -> AnyFeature:
    """Return the feature of a name, of prices alone or of figures from reports.

    Raises:
        NotFound: There is none; near matches are named.
    """
    found = FEATURES.get(name) or FUNDAMENTAL_FEATURES.get(name)
    if found is None:
        raise NotFound.named("feature", name, (*FEATURES, *FUNDAMENTAL_FEATURES))
    return found


def resolve_features(features: Sequence[str | AnyFeature]) -> tuple[AnyFeature, ...]:
    """Return features given by name or as they are, in order.

    Raises:
        InvalidInput: None is given, or two have one name.
        NotFound: A name is unknown; near matches are named.
    """
    found = tuple(find_feature(each) if isinstance(each, str) else each for each in features)
    if not found:
        raise InvalidInput("No feature was given.", remedy=f"Choose among {', '.join(FEATURES)}.")
    names = [each.name for each in found]
    if len(set(names)) != len(names):
        raise InvalidInput("A feature was given twice.", remedy="Name each feature once.")
    return found


def lookback_of(features: Sequence[str | AnyFeature]) -> int:
    """Return how many sessions before a session its features need, so that the last `lookback + 1` rows suffice.

    Raises:
        InvalidInput: None is given, or two have one name.
        NotFound: A name is unknown; near matches are named.
    """
    return max(each.lookback_sessions for each in resolve_features(features))
