"""From where on the quality checks call a bar or a delivery wrong."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """The limits of the checks.

    Attributes:
        range_tolerance: How far, as a share of the close, a price may lie outside the bar by rounding alone.
        jump_ratio: A close this many times the one before, or one this many times smaller, is a jump.
        split_tolerance: How far a jump may lie from a usual split ratio and still look like one.
        stale_sessions: From how many sessions on an unchanged close is stale.
        coarse_share: A tick that is a larger share of the price than this is coarse.
        refused_share: A delivery of whose bars a larger share is quarantined is rejected …
        refused_least: … when at least this many bars are; fewer are single mistakes.
        shifted_least: From how many bars on days without a session on a shift of the zone is looked for …
        shifted_share: … where they are at least this share of the bars …
        shifted_fit: … and it is found when one day's shift puts at least this share of the bars on sessions.
    """

    range_tolerance: float = 1e-9
    jump_ratio: float = 1.4
    split_tolerance: float = 0.06
    stale_sessions: int = 8
    coarse_share: float = 0.005
    refused_share: float = 0.05
    refused_least: int = 20
    shifted_least: int = 3
    shifted_share: float = 0.1
    shifted_fit: float = 0.98


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known besides the bars.

    `actions` has symbol and ex_date of corporate actions: they explain the jumps of their days. `before` has symbol,
    session and close of the last stored bars: what follows is compared with them.
    """

    actions: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"symbol": [], "ex_date": []}))
    before: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"symbol": [], "session": [], "close": []}))


DEFAULTS = QualitySettings()
NOTHING_KNOWN = Known()
