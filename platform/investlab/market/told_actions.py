"""Corporate actions as columns: what a whole market was told, without an object for each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from investlab.schemas.market import ActionKind, CorporateAction

NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class ToldActions:
    """Corporate actions ordered by ex-date, instrument and kind; see `CorporateAction` for what each column says.

    `kinds` holds the names of the kinds, `ex_dates` datetime64[D]; `counterpart_ids` is −1 and `counterpart_ratios`
    NaN where there is none.
    """

    instrument_ids: np.ndarray
    kinds: np.ndarray
    ex_dates: np.ndarray
    values: np.ndarray
    counterpart_ids: np.ndarray
    counterpart_ratios: np.ndarray

    def __len__(self) -> int:
        return len(self.instrument_ids)

    @classmethod
    def of(cls, actions: Sequence[CorporateAction]) -> "ToldActions":
        """Return actions as columns, in their order."""
        return cls(
            np.array([each.instrument_id for each in actions], np.int64),
            np.array([str(each.kind) for each in actions], np.str_),
            np.array([each.ex_date for each in actions], "datetime64[D]"),
            np.array([each.value for each in actions], np.float64),
            np.array([NONE if each.counterpart_id is None else each.counterpart_id for each in actions], np.int64),
            np.array([each.counterpart_ratio for each in actions], np.float64),
        )

    def of_kinds(self, kinds: Collection[ActionKind]) -> "ToldActions":
        """Return the actions of some kinds."""
        return self.take(self.is_of(kinds))

    def is_of(self, kinds: Collection[ActionKind]) -> np.ndarray:
        """Say for each action whether it is of one of some kinds."""
        chosen = np.zeros(len(self), bool)
        for kind in kinds:
            chosen |= self.kinds == str(kind)
        return chosen

    def take(self, rows: np.ndarray) -> "ToldActions":
        """Return the rows chosen by positions or by a mask."""
        return ToldActions(
            self.instrument_ids[rows],
            self.kinds[rows],
            self.ex_dates[rows],
            self.values[rows],
            self.counterpart_ids[rows],
            self.counterpart_ratios[rows],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Actions that fall into a panel, with the session and the column of each."""

    told: ToldActions
    session: np.ndarray
    column: np.ndarray


def place(told: ToldActions, sessions: np.ndarray, instrument_ids: Sequence[int] | np.ndarray) -> Placed:
    """Find each action's session and column in a panel; an ex-date that is no session moves to the next one.

    Actions before the first session's successor cannot affect a panel that starts there and are left out, as are those
    after its last session and those of other instruments.
    """
    ids = np.asarray(instrument_ids, np.int64)
    if not len(ids) or not len(told):
        nowhere = np.empty(0, np.int64)
        return Placed(told.take(nowhere), nowhere, nowhere)
    by_key = np.argsort(ids, kind="stable")
    ranks = np.minimum(np.searchsorted(ids, told.instrument_ids, sorter=by_key), len(ids) - 1)
    column = by_key[ranks]
    session = np.searchsorted(sessions, told.ex_dates)
    kept = (ids[column] == told.instrument_ids) & (session > 0) & (session < len(sessions))
    return Placed(told.take(kept), session[kept].astype(np.int64), column[kept].astype(np.int64))
