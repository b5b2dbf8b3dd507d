"""Features know only what was known, give the same bits offline and online, and are easy to add."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.core.errors import InvalidInput, NotFound
from investlab.features.definitions import FEATURES, Feature, feature, find_feature, lookback_of, rank_of
from investlab.features.matrix import FeatureMatrix, build_features
from investlab.features.windows import Values, past
from investlab.market.adjustment import Adjust, adjust_panel
from investlab.market.panel import PricePanel, read_only
from tests.support.panels import examples, make_panel, random_panel, until, with_another_future

NAMES = tuple(FEATURES)
LOOKBACK = lookback_of(NAMES)


def short(prices: Values) -> Values:
    """Growth over the last 3 sessions."""
    return prices / past(prices, 3) - 1.0


def _growth_panel(sessions: int = 300) -> PricePanel:
    return make_panel({"UP": [100.0 * 1.01**n for n in range(sessions)], "FLAT": [50.0] * sessions})


def _tail(panel: PricePanel, start: int) -> PricePanel:
    """Return the panel from a session on."""
    kept = panel.actions.session >= start
    moved = {name: array[kept] - (start if name.endswith("session") else 0) for name, array in panel.actions.arrays()}
    return replace(
        panel,
        sessions=panel.sessions[start:],
        fields={name: read_only(values[start:]) for name, values in panel.fields.items()},
        actions=type(panel.actions)(*moved.values()),
        id="",
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_rank")])
def test_an_instrument_without_a_close_is_not_ranked_among(name: str) -> None:
    """Its growth from earlier sessions is known all the same, and would shift everybody else's rank."""
    whole = random_panel(3, sessions=300, instruments=6, basis="total_return")
    gone = np.array(whole.values("close"))
    gone[-1, 2] = np.nan
    missing = replace(whole, fields={**whole.fields, "close": read_only(gone)}, id="")
    others = [0, 1, 3, 4, 5]
    without = whole.select([whole.symbols[column] for column in others])
    found = build_features(missing, (name,)).values[-1, :, 0]
    assert np.isnan(found[2])
    assert found[others].tolist() == build_features(without, (name,)).values[-1, :, 0].tolist()


def _assert_same_past(one: FeatureMatrix, two: FeatureMatrix, cut: int) -> None:
    same = np.array_equal(one.values[: cut + 1], two.values[: cut + 1], equal_nan=True)
    assert same, f"features up to session {cut} depend on what came later"


@pytest.mark.parametrize("basis", ["raw", "total_return"])
@pytest.mark.parametrize("seed", range(2))
def test_changing_the_future_changes_nothing_past(basis: str, seed: int) -> None:
    panel = random_panel(seed, sessions=330, missing=0.003, actions=25 if basis == "raw" else 0, basis=basis)
    whole = build_features(panel, NAMES)
    for cut in (0, 100, 280):
        for other in (with_another_future(panel, cut), until(panel, cut)):
            _assert_same_past(whole, build_features(other, NAMES), cut)


def test_the_check_sees_a_feature_that_peeks() -> None:
    peeking = Feature("peeking", 0, "The panel's mean.", lambda prices: prices / np.nanmean(prices))
    panel = random_panel(0, sessions=60)
    with pytest.raises(AssertionError, match="depend on what came later"):
        _assert_same_past(
            build_features(panel, [peeking]), build_features(with_another_future(panel, 30), [peeking]), 30
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("basis", ["raw", "split_adjusted", "total_return"])
def test_offline_equals_online_to_the_bit(name: str, basis: str) -> None:
    """What a service builds on the last sessions is what training saw on the whole panel."""
    panel = random_panel(5, sessions=600, actions=60 if basis == "raw" else 0, basis=basis)
    whole = build_features(panel, [name])
    lookback = lookback_of([name])
    for last in (lookback, 399, 599):
        online = build_features(until(_tail(panel, last - lookback), lookback), [name])
        assert np.array_equal(online.values[-1], whole.values[last])
        assert np.isfinite(online.values[-1]).all()


@given(st.data())
@examples(15)
def test_the_tail_of_a_panel_gives_the_same_bits(data: st.DataObject) -> None:
    panel = random_panel(
        data.draw(st.integers(0, 99)), sessions=60, missing=data.draw(st.sampled_from([0.0, 0.05])), actions=20
    )
    names = ("return_5", "return_21", "average_ratio_21", "return_21_rank")
    start = data.draw(st.integers(0, 59 - lookback_of(names)))
    whole, tail = build_features(panel, names), build_features(_tail(panel, start), names)
    settled = start + lookback_of(names)
    assert np.array_equal(tail.values[settled - start :], whole.values[settled:], equal_nan=True)


def test_a_feature_is_known_exactly_from_its_lookback_on() -> None:
    panel = random_panel(2, sessions=300)
    values = build_features(panel, NAMES).values
    for place, name in enumerate(NAMES):
        known = np.isfinite(values[:, :, place])
        assert not known[: FEATURES[name].lookback_sessions].any(), name
        assert known[FEATURES[name].lookback_sessions :].all(), name


def test_features_see_prices_adjusted_for_actions() -> None:
    """A split is no fall and a dividend no loss; the total-return panel says the same up to rounding."""
    panel = random_panel(3, sessions=400, actions=40)
    total = adjust_panel(panel, Adjust.ALL)
    one, two = build_features(panel, NAMES).values, build_features(total, NAMES).values
    assert np.allclose(one, two, rtol=1e-9, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("_rank")])
def test_the_level_of_prices_does_not_matter(name: str) -> None:
    panel = random_panel(4, sessions=300)
    scaled = replace(panel, fields={key: read_only(values * 8.0) for key, values in panel.fields.items()}, id="")
    one, two = build_features(panel, [name]).values, build_features(scaled, [name]).values
    assert np.array_equal(one, two, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("momentum_12_1", 1.01**231 - 1),
        ("momentum_6_1", 1.01**105 - 1),
        ("return_5", 1.01**5 - 1),
        ("return_63", 1.01**63 - 1),
        ("volatility_63", 0.0),
        ("downside_volatility_63", 0.0),
        ("high_252", 0.0),
        ("drawdown_126", 0.0),
        ("average_ratio_21", 21 * 0.01 / 1.01 / (1 - 1.01**-21) / 1.0 - 1),
        ("momentum_12_1_rank", 0.5),
    ],
)
def test_a_steady_rise_by_hand(name: str, expected: float) -> None:
    found = build_features(_growth_panel(), [name]).frame(name)
    assert found["UP"].iloc[-1] == pytest.approx(expected, abs=1e-12)


def test_the_standard_features_have_a_purpose_and_one_name() -> None:
    assert 10 <= len(FEATURES) <= 20
    for name, each in FEATURES.items():
        assert name == each.name
        assert each.description.endswith(".")
        assert each.lookback_sessions >= 0


def test_a_missing_close_makes_what_needs_it_unknown() -> None:
    close = np.array([100.0 + n for n in range(300)])
    close[280] = np.nan
    panel = make_panel({"A": list(close), "B": [50.0 + n for n in range(300)]})
    matrix = build_features(panel, ["return_5", "momentum_12_1"])
    for name, lookback, gaps in (("return_5", 5, [280, 285]), ("momentum_12_1", 252, [280])):
        frame = matrix.frame(name)
        assert np.flatnonzero(frame["A"].isna()).tolist() == [*range(lookback), *gaps]
        assert np.flatnonzero(frame["B"].isna()).tolist() == list(range(lookback))


def test_a_feature_defined_elsewhere_is_used_as_it_is() -> None:
    mine = feature(lookback_sessions=3)(short)
    matrix = build_features(_growth_panel(10), ["return_5", mine, rank_of(mine)])
    assert matrix.names == ("return_5", "short", "short_rank")
    assert mine.description == "Growth over the last 3 sessions."
    assert matrix.frame("short")["UP"].iloc[-1] == pytest.approx(1.01**3 - 1)
    assert matrix.frame("short_rank")["UP"].iloc[-1] == 0.5


def test_a_feature_needs_a_docstring_and_a_shape() -> None:
    with pytest.raises(InvalidInput, match="no docstring"):
        feature(lookback_sessions=1)(lambda prices: prices)
    with pytest.raises(InvalidInput, match="looks back -1"):
        feature(lookback_sessions=-1)(short)
    with pytest.raises(InvalidInput, match="gives values of shape"):
        build_features(_growth_panel(10), [Feature("wrong", 0, "Wrong.", lambda prices: prices[0])])


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        (["momentum_12"], NotFound, "momentum_12_1"),
        ([], InvalidInput, "No feature"),
        (["return_5", "return_5"], InvalidInput, "twice"),
    ],
)
def test_wrong_names_are_refused(names: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        build_features(_growth_panel(10), names)


def test_the_lookback_is_the_longest() -> None:
    assert lookback_of(["return_5", "momentum_12_1"]) == 252
    assert find_feature("return_5").lookback_sessions == 5


def test_a_matrix_is_named_by_its_content_and_read_only() -> None:
    panel = _growth_panel(40)
    one, two = build_features(panel, ["return_5"]), build_features(panel, ["return_5"])
    assert one.id == two.id
    assert one.id != build_features(panel, ["return_21"]).id
    assert one.panel_id == panel.id
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0, 0] = 1.0


def test_a_row_is_that_session() -> None:
    panel = _growth_panel(40)
    matrix = build_features(panel, ["return_5", "return_21"])
    assert np.array_equal(matrix.row(panel.last_session), matrix.values[-1])
    for other in ("2019-12-31", "2020-01-04", "2031-01-01"):
        with pytest.raises(NotFound, match=other):
            matrix.row(np.datetime64(other).item())
    with pytest.raises(NotFound, match="return_21"):
        matrix.frame("return_2")
