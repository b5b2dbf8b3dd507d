"""Training sets: features of each session and instrument beside what came after them."""

from dataclasses import dataclass

import numpy as np

from investlab.core.errors import InvalidInput, MixedData
from investlab.features.matrix import FeatureMatrix
from investlab.market.adjustment import point_in_time_prices
from investlab.market.panel import PricePanel, read_only


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """Rows to learn from, session by session.

    `features` is rows × features, all finite; `forward_returns` belongs to each row; `groups` counts the rows of each
    session, in order.
    """

    names: tuple[str, ...]
    features: np.ndarray
    forward_returns: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Features (sessions × instruments × features) and forward returns (sessions × instruments), NaN = unknown.

    The forward return of session *t* is the growth from its close to the close `horizon_sessions` later; it is known
    only where that session is in the panel.
    """

    names: tuple[str, ...]
    sessions: np.ndarray
    features: np.ndarray
    forward_returns: np.ndarray
    horizon_sessions: int
    panel_id: str

    @property
    def usable(self) -> np.ndarray:
        """Return where every feature is known (sessions × instruments)."""
        return np.isfinite(self.features).all(axis=2)

    def labelled_sessions(self) -> range:
        """Return the positions from the first to the last session that has two rows to order, features and outcome.

        Raises:
            InvalidInput: There is no such session.
        """
        rows = (self.usable & ~np.isnan(self.forward_returns)).sum(axis=1)
        found = np.flatnonzero(rows >= 2)
        if not len(found):
            raise InvalidInput(
                f"No session of the panel has two instruments with all features and a forward return over "
                f"{self.horizon_sessions} sessions.",
                remedy="Use more instruments, a longer panel, or features that look back less far.",
            )
        return range(int(found[0]), int(found[-1]) + 1)

    def rows(self, positions: range) -> TrainingRows:
        """Return the rows at these sessions whose features and forward return are all known.

        Raises:
            InvalidInput: There is none.
        """
        chosen = np.arange(positions.start, positions.stop, positions.step)
        kept = self.usable[chosen] & ~np.isnan(self.forward_returns[chosen])
        counts = kept.sum(axis=1)
        if not counts.any():
            raise InvalidInput("There is nothing to learn from before the first test.", remedy="Use a longer panel.")
        return TrainingRows(
            self.names, self.features[chosen][kept], self.forward_returns[chosen][kept], counts[counts > 0]
        )


def forward_returns(panel: PricePanel, horizon_sessions: int) -> np.ndarray:
    """Return the growth from each close to the close that many sessions later (sessions × instruments).

    It includes splits and dividends on the way and is NaN where either close is missing or not in the panel.

    Raises:
        InvalidInput: The horizon is not positive.
    """
    if horizon_sessions < 1:
        raise InvalidInput(f"horizon_sessions is {horizon_sessions}.", remedy="Give at least one session.")
    prices = point_in_time_prices(panel)
    found = np.full(panel.shape, np.nan)
    count = max(len(prices) - horizon_sessions, 0)
    found[:count] = prices[len(prices) - count :] / prices[:count] - 1.0
    return read_only(found)


def build_training_set(panel: PricePanel, features: FeatureMatrix, horizon_sessions: int) -> TrainingSet:
    """Return the training set of a panel and the features built from it.

    Raises:
        MixedData: The features were built from another panel.
        InvalidInput: The horizon is not positive.
    """
    if features.panel_id != panel.id:
        raise MixedData(
            f"The features are of panel {features.panel_id}, not of {panel.id}.",
            remedy="Build them from the panel that gives the forward returns.",
        )
    outcomes = forward_returns(panel, horizon_sessions)
    return TrainingSet(features.names, features.sessions, features.values, outcomes, horizon_sessions, panel.id)
