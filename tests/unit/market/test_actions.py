"""Corporate actions land on the right session and column, once."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from investlab.core.errors import InvalidInput, NotFound
from investlab.market.actions import ActionTable, actions_from_frame, place_actions
from investlab.schemas.market import ActionKind, CorporateAction
from tests.support.panels import make_panel, session_index

SESSIONS = session_index(10).values.astype("datetime64[D]")
"""Ten business days from Wednesday 2020-01-01."""


def action(instrument_id: int, ex_date: str, kind: str = "split", value: float = 2.0) -> CorporateAction:
    return CorporateAction(
        instrument_id=instrument_id,
        kind=ActionKind(kind),
        ex_date=date.fromisoformat(ex_date),
        value=value,
        known_at=datetime(2020, 1, 1, tzinfo=UTC),
        assumed=True,
        source="test",
    )


def frame(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["ex_date", "symbol", "kind", "value"])


def places(table: ActionTable) -> list[tuple[int, int, float, float]]:
    return list(
        zip(
            table.session.tolist(),
            table.column.tolist(),
            table.split_ratio.tolist(),
            table.dividend.tolist(),
            strict=True,
        )
    )


def test_actions_are_placed_by_instrument_and_ordered_by_session() -> None:
    table = place_actions([action(7, "2020-01-08"), action(5, "2020-01-02")], SESSIONS, [5, 7])
    assert places(table) == [(1, 0, 2.0, 0.0), (5, 1, 2.0, 0.0)]


def test_an_ex_date_that_is_no_session_moves_to_the_next() -> None:
    assert places(place_actions([action(5, "2020-01-04")], SESSIONS, [5])) == [(3, 0, 2.0, 0.0)]


@pytest.mark.parametrize("ex_date", ["2019-12-30", "2020-01-01", "2020-02-01"])
def test_actions_that_cannot_touch_the_panel_are_left_out(ex_date: str) -> None:
    assert len(place_actions([action(5, ex_date)], SESSIONS, [5])) == 0


def test_actions_of_other_instruments_are_left_out() -> None:
    assert len(place_actions([action(9, "2020-01-03")], SESSIONS, [5])) == 0


def test_actions_of_one_session_are_combined() -> None:
    given = [
        action(5, "2020-01-03"),
        action(5, "2020-01-03", "split", 3.0),
        action(5, "2020-01-03", "dividend", 0.5),
        action(5, "2020-01-03", "dividend", 0.25),
    ]
    assert places(place_actions(given, SESSIONS, [5])) == [(2, 0, 6.0, 0.75)]


def test_a_frame_of_actions_is_laid_out() -> None:
    table = actions_from_frame(
        frame(("2020-01-06", "B", "dividend", 0.5), ("2020-01-02", "A", "split", 2.0)), SESSIONS, ["A", "B"]
    )
    assert places(table) == [(1, 0, 2.0, 0.0), (3, 1, 1.0, 0.5)]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (frame().drop(columns="kind"), InvalidInput, "lacks kind"),
        (frame(("2020-01-02", "AX", "split", 2.0)), NotFound, "'AX'"),
        (frame(("2020-01-02", "A", "merger", 2.0)), InvalidInput, "merger"),
        (frame(("2020-01-02", "A", "split", 0.0)), InvalidInput, "positive"),
        (frame(("2020-01-02", "A", "dividend", float("nan"))), InvalidInput, "positive"),
    ],
)
def test_a_frame_that_cannot_be_laid_out(given: pd.DataFrame, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        actions_from_frame(given, SESSIONS, ["A", "B"])


@pytest.mark.parametrize(
    ("basis", "kind", "message"),
    [
        ("total_return", "dividend", "actions in its prices already"),
        ("total_return", "split", "actions in its prices already"),
        ("split_adjusted", "split", "splits in its prices already"),
    ],
)
def test_a_basis_refuses_actions_that_its_prices_contain(basis: str, kind: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make_panel({"A": [10, 11]}, basis=basis, actions=[(1, "A", kind, 2.0)])


def test_a_split_adjusted_panel_takes_dividends() -> None:
    assert len(make_panel({"A": [10, 11]}, basis="split_adjusted", actions=[(1, "A", "dividend", 0.5)]).actions) == 1


def test_stock_dividends_change_shares_and_spin_offs_count_as_cash() -> None:
    table = ActionTable.from_rows(
        [
            (1, 0, ActionKind.SPLIT, 2.0),
            (1, 0, ActionKind.STOCK_DIVIDEND, 1.05),
            (2, 0, ActionKind.DIVIDEND, 0.5),
            (2, 0, ActionKind.SPIN_OFF, 1.5),
            (3, 0, ActionKind.DELISTING, -1.0),
            (3, 0, ActionKind.MERGER, 10.0),
        ]
    )
    assert table.session.tolist() == [1, 2]
    assert table.split_ratio.tolist() == [2.1, 1.0]
    assert table.dividend.tolist() == [0.0, 2.0]
