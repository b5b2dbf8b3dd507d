"""The look-ahead audit: what it says of our strategies, of chance, of errors, and of rules that it cannot see into."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from investlab.backtest.decisions import decide
from investlab.backtest.lookahead import audit_lookahead
from investlab.backtest.lookahead_attacks import CUT, EVERY_ATTACK, Attack, one_field, spikes
from investlab.backtest.lookahead_cuts import choose_cuts
from investlab.backtest.lookahead_report import Verdict
from investlab.backtest.lookahead_runs import Base, Runs
from investlab.backtest.lookahead_search import _at_events, _with_spikes
from investlab.backtest.strategies import BuyAndHold, MonthlyMomentum, SmaCross, Strategy
from investlab.core.errors import ExecutionFailed, InvalidInput
from investlab.market.panel import PricePanel
from tests.support.leak_zoo import ZOO, zoo_panel
from tests.support.panels import make_panel, random_panel

PANEL = random_panel(3, 120, 3, actions=4)


@dataclass
class Coin:
    """Weights by a coin that is never seeded anew."""

    name: ClassVar[str] = "coin"
    family: ClassVar[str] = "coin"

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def weights(self, panel: PricePanel) -> np.ndarray:
        return self.rng.random(panel.shape) / panel.shape[1]


def rising(panel: PricePanel) -> pd.DataFrame:
    return (panel.close > panel.close.shift(1)).astype(float) / panel.shape[1]


def rising_next(panel: PricePanel) -> pd.DataFrame:
    return (panel.close.shift(-1) > panel.close).astype(float) / panel.shape[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    [SmaCross(5, 20), MonthlyMomentum(k=2, lookback_sessions=60, skip_sessions=10), BuyAndHold()],
    ids=lambda each: each.name,
)
def test_our_strategies_are_clean(strategy: Strategy) -> None:
    report = audit_lookahead(strategy, zoo_panel(), cuts=24)

    assert report.verdict is Verdict.CLEAN, report.sentence
    assert report.failed_attacks == 0


def test_the_weights_of_the_first_steps_are_clean_and_said_to_come_from_elsewhere() -> None:
    panel = make_panel({"AAA": [10.0, 11.0, 12.0, 13.0], "BBB": [20.0, 20.0, 19.0, 21.0]}, basis="total_return")
    weights = pd.DataFrame({"AAA": [0.5], "BBB": [0.5]}, index=panel.index[:1])

    report = audit_lookahead(lambda given: weights, panel)

    assert report.is_clean
    assert not report.reacts
    assert "cannot be seen here" in report.sentence


def test_a_leak_is_named_with_session_instrument_field_and_both_values() -> None:
    panel = make_panel({"A": [10.0, 11.0, 12.0], "B": [5.0, 4.0, 3.0]})

    leak = audit_lookahead(lambda given: given.close.shift(-1) / 100.0, panel).first_leak

    assert leak is not None
    assert (leak.session, leak.symbol, leak.instrument_id) == (panel.first_session, "A", 1)
    assert (leak.decision, leak.value) == ("weights", 0.11)
    assert leak.value_without != 0.11
    assert leak.untouched_until == panel.first_session
    assert leak.fields == ("close",)


def test_signals_that_peek_are_named_by_their_side() -> None:
    def peeking(panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        rises = (panel.close.shift(-1) > panel.close).to_numpy()
        return np.zeros_like(rises), rises

    leak = audit_lookahead(peeking, PANEL).first_leak

    assert leak is not None
    assert leak.decision == "exits"


def test_chance_without_a_seed_is_told_apart_from_a_leak() -> None:
    report = audit_lookahead(Coin(), PANEL)

    assert report.verdict is Verdict.NOT_DETERMINISTIC
    assert report.first_leak is None
    assert "seed" in report.sentence


def test_an_error_on_attacked_panels_is_no_leak() -> None:
    def wants_forty_sessions(panel: PricePanel) -> pd.DataFrame:
        if panel.shape[0] < 40:
            raise ValueError("too short")
        return rising(panel)

    report = audit_lookahead(wants_forty_sessions, PANEL)

    assert report.verdict is Verdict.CLEAN
    assert report.failed_attacks > 0
    assert "too short" in report.failures[0].error
    assert "which is no leak" in report.sentence


def test_a_rule_that_fails_on_every_attacked_panel_is_not_called_clean() -> None:
    def only_this_panel(panel: PricePanel) -> pd.DataFrame:
        if panel.id != PANEL.id:
            raise ValueError("another panel")
        return rising(panel)

    assert audit_lookahead(only_this_panel, PANEL).verdict is Verdict.NOT_PROBED


def test_an_error_on_the_panel_as_it_is_stops_the_audit() -> None:
    with pytest.raises(ExecutionFailed, match="ZeroDivisionError"):
        audit_lookahead(lambda panel: 1 / 0, PANEL)


def test_what_makes_no_decisions_is_refused() -> None:
    with pytest.raises(InvalidInput, match="makes no decisions"):
        audit_lookahead(SmaCross, PANEL)  # type: ignore[arg-type]


def test_rounding_is_no_leak() -> None:
    def noisy_in_the_last_bits(panel: PricePanel) -> np.ndarray:
        return np.full(panel.shape, 0.1 * (1.0 + 1e-14 * panel.shape[0]))

    assert audit_lookahead(noisy_in_the_last_bits, PANEL).is_clean


def test_the_warm_up_of_a_moving_average_is_its_window_less_one() -> None:
    report = audit_lookahead(lambda panel: panel.close.rolling(20).mean() / 1e6, random_panel(5, 200, 2), cuts=4)

    assert report.stable_after == 19


def test_a_running_mean_never_forgets_its_start() -> None:
    report = audit_lookahead(lambda panel: panel.close.expanding().mean() / 1e6, random_panel(5, 200, 2), cuts=4)

    assert report.stable_after is None
    assert "however long" in report.sentence


@pytest.mark.parametrize("rule", [rising, rising_next])
def test_the_same_audit_gives_the_same_report(rule: object) -> None:
    one, two = (audit_lookahead(rule, PANEL, seed=4, cuts=8) for _ in range(2))  # type: ignore[arg-type]

    assert one == two
    assert one.elapsed_seconds > 0.0


@pytest.mark.parametrize("attack", [*EVERY_ATTACK, *one_field("volume"), spikes(7, 3)], ids=lambda each: each.name)
def test_no_attack_touches_what_was_known(attack: Attack) -> None:
    panel, cut = zoo_panel(), 260
    other = attack.apply(panel, cut, np.random.default_rng(0))

    assert other is not None
    assert other.id != panel.id
    for name, values in panel.fields.items():
        assert np.array_equal(values[: cut + 1], other.fields[name][: cut + 1], equal_nan=True)
    for table, changed in ((panel.actions, other.actions), (panel.delistings, other.delistings)):
        for (_, one), (_, two) in zip(table.arrays(), changed.arrays(), strict=False):
            early, late = table.session <= cut, changed.session <= cut
            assert np.array_equal(one[early], two[late])


def test_cuts_are_seeded_unique_and_leave_a_future() -> None:
    one, two = (choose_cuts(PANEL, np.random.default_rng(1), 24) for _ in range(2))

    assert one == two
    assert len(set(one)) == len(one)
    assert {0, 118} <= set(one)
    assert max(one) == 118


def test_a_panel_of_one_session_cannot_be_attacked() -> None:
    report = audit_lookahead(rising, CUT.apply(PANEL, 0, np.random.default_rng(0)) or PANEL)

    assert report.verdict is Verdict.NOT_PROBED


def test_a_report_shows_itself_in_jupyter_escaped() -> None:
    report = replace(audit_lookahead(rising, PANEL, cuts=4), strategy="<b>")

    assert "&lt;b&gt;" in report._repr_html_()
    assert "<b>" not in report._repr_html_()


@pytest.mark.parametrize("row", [77, 201, 318])
def test_spikes_find_a_peek_at_one_session_alone(row: int) -> None:
    def rule(panel: PricePanel) -> pd.DataFrame:
        wanted = rising(panel)
        if panel.shape[0] > row + 1:
            wanted.iloc[row] = panel.close.iloc[row + 1] / 1e6
        return wanted

    panel = random_panel(5, 400, 3)

    hit = _with_spikes(Runs(rule, 0), Base(panel, decide(rule, panel)), 69)

    assert hit is not None
    assert (hit.row, hit.cut) == (row, row)


@pytest.mark.parametrize(
    ("name", "attacked"), [("dividend_known_early", "actions"), ("figure_known_at_period_end", "figures")]
)
def test_what_is_known_early_of_an_event_is_found_by_telling_it_later(name: str, attacked: str) -> None:
    rule = next(each.leak for each in ZOO if each.name == name)
    panel = zoo_panel()

    hit = _at_events(Runs(rule, 0), Base(panel, decide(rule, panel)), 24)

    assert hit is not None
    assert hit.row <= hit.cut
    assert hit.attack.attacked == attacked
