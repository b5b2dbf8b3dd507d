"""Costs: illegal values cannot be built, and a sentence says what a fill costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import FREE, Costs
from investlab.backtest.kernels import FillTerms, affordable_value, commission_of
from investlab.core.errors import InvalidInput
from investlab.schemas.backtest import CostSpec
from tests.support.panels import costs, examples


@pytest.mark.parametrize("part", ["commission_bps", "slippage_bps", "fixed", "minimum"])
@pytest.mark.parametrize("value", [-0.01, float("nan"), float("inf"), True, "5", None])
def test_an_illegal_part_cannot_be_built(part: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=part):
        Costs(**{part: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["commission_bps", "slippage_bps"])
def test_a_proportional_part_stays_under_the_whole_price(part: str) -> None:
    assert getattr(Costs(**{part: 9_999}), part) == 9_999.0
    with pytest.raises(InvalidInput, match="whole price"):
        Costs(**{part: 10_000})


def test_named_constructors() -> None:
    assert Costs.free() == FREE == Costs()
    assert Costs.bps(5, 2) == Costs(commission_bps=5, slippage_bps=2)
    assert Costs.per_fill(1.0, 2.5) == Costs(fixed=1.0, minimum=2.5)


def test_numpy_numbers_become_floats() -> None:
    built = Costs(np.int64(5), np.float64(2.5))
    assert built == Costs(5.0, 2.5)
    assert type(built.commission_bps) is float


@given(costs())
def test_a_spec_keeps_everything(given_costs: Costs) -> None:
    spec = given_costs.to_spec()
    assert Costs.from_spec(spec) == given_costs
    assert Costs.from_spec(CostSpec.model_validate_json(spec.model_dump_json())) == given_costs


@pytest.mark.parametrize(
    ("given_costs", "sentence"),
    [
        (Costs.free(), "Costs: none."),
        (Costs.bps(5), "Costs: 5 bps commission."),
        (
            Costs(2.5, 1, 1.0, 3.0),
            "Costs: 2.5 bps commission, 1 commission per fill, at least 3 commission per fill, 1 bps slippage.",
        ),
    ],
)
def test_description(given_costs: Costs, sentence: str) -> None:
    assert given_costs.describe() == sentence


@given(
    cash=st.floats(0.0, 1e9),
    terms=st.builds(
        FillTerms,
        st.sampled_from([0.0, 0.0005, 0.01]),
        st.just(0.0),
        st.sampled_from([0.0, 1.0, 10.0]),
        st.sampled_from([0.0, 2.0, 20.0]),
        st.just(False),
        st.just(False),
    ),
)
@examples(200)
def test_the_affordable_value_is_the_largest_that_cash_pays(cash: float, terms: FillTerms) -> None:
    value = affordable_value(cash, terms)
    slack = 1e-9 * max(cash, 1.0)
    if value <= 0:
        assert slack + commission_of(slack, terms) > cash or commission_of(0.0, terms) >= cash - slack
    else:
        assert value + commission_of(value, terms) <= cash + slack
        more = value + 2 * slack
        assert more + commission_of(more, terms) > cash
