"""Ends of listings on a panel: what was told, or what a merger paid, against the last close."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from investlab.market.delistings import DelistingTable, place_delistings
from investlab.market.told_actions import ToldActions
from investlab.schemas.market import ActionKind, CorporateAction
from tests.support.panels import make_panel, session_index

SESSIONS = session_index(5).values.astype("datetime64[D]")
CLOSE = np.array([[10.0, 20.0], [11.0, 22.0], [np.nan, 24.0], [np.nan, 25.0], [np.nan, 26.0]])
"""Instrument 5 trades last on the second day; instrument 7 goes on."""


def ended(kind: ActionKind, value: float, day: int = 2, **fields: object) -> CorporateAction:
    return CorporateAction(
        instrument_id=5,
        kind=kind,
        ex_date=date.fromisoformat(str(SESSIONS[day])),
        value=value,
        known_at=datetime(2020, 1, 1, tzinfo=UTC),
        assumed=True,
        source="test",
        **fields,  # type: ignore[arg-type]
    )


def placed(*actions: CorporateAction, ids: tuple[int, ...] = (5, 7), raw: bool = True) -> list[tuple[int, int, float]]:
    table = place_delistings(ToldActions.of(actions), SESSIONS, ids, CLOSE if raw else None)
    return list(zip(table.session.tolist(), table.column.tolist(), table.returns.tolist(), strict=True))


def test_a_delisting_says_its_return() -> None:
    assert placed(ended(ActionKind.DELISTING, -1.0)) == [(2, 0, -1.0)]


def test_a_merger_for_cash_is_measured_by_the_last_close() -> None:
    assert placed(ended(ActionKind.MERGER, 13.2)) == [(2, 0, pytest.approx(0.2))]


def test_a_merger_for_shares_pays_the_counterpart_s_last_close_before() -> None:
    told = ended(ActionKind.MERGER, 1.1, counterpart_id=7, counterpart_ratio=0.5)
    assert placed(told) == [(2, 0, pytest.approx((1.1 + 11.0) / 11.0 - 1))]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(ended(ActionKind.MERGER, 0.0), id="nothing-told"),
        pytest.param(ended(ActionKind.MERGER, 0.0, counterpart_id=9, counterpart_ratio=1.0), id="counterpart-absent"),
    ],
)
def test_what_a_merger_paid_is_unknown_without_its_terms(told: CorporateAction) -> None:
    ((session, column, returned),) = placed(told)
    assert (session, column) == (2, 0)
    assert np.isnan(returned)


def test_a_merger_is_not_measured_on_adjusted_prices() -> None:
    assert np.isnan(placed(ended(ActionKind.MERGER, 12.0), raw=False)[0][2])


def test_a_told_delisting_counts_more_than_a_merger() -> None:
    both = [ended(ActionKind.DELISTING, 0.05), ended(ActionKind.MERGER, 13.2)]
    assert placed(*both) == placed(*reversed(both)) == [(2, 0, 0.05)]


def test_ends_outside_the_panel_and_other_actions_are_left_out() -> None:
    assert placed(ended(ActionKind.DELISTING, -1.0, day=0), ended(ActionKind.SPLIT, 2.0)) == []
    assert placed(ended(ActionKind.DELISTING, -1.0), ids=(7,)) == []


def test_delistings_belong_to_the_panel_s_content_and_follow_its_columns() -> None:
    panel = make_panel({"A": [1, 2, 3], "B": [4, 5, 6]})
    ends = replace(panel, delistings=DelistingTable(np.array([2]), np.array([1]), np.array([-1.0])), id="")
    assert ends.id != panel.id
    assert ends.select(["B", "A"]).delistings.column.tolist() == [0]
    assert len(ends.select(["A"]).delistings) == 0
    assert ends.select(["A"]).id == panel.select(["A"]).id
