"""What every strategy must do: inherit `StrategyConformance` and name the strategy and what it refuses."""

import inspect
import json
import pickle
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import cloudpickle
import numpy as np
import pytest

from investlab.backtest.engine import run_strategy
from investlab.backtest.grid import build_strategy
from investlab.backtest.strategies import SignalStrategy, Strategy, WeightStrategy, describe_strategy
from investlab.core.errors import InvalidInput
from investlab.market.actions import ActionTable
from investlab.market.panel import PricePanel, read_only
from tests.support.lookahead import assert_decisions_without_look_ahead, decisions
from tests.support.panels import make_panel, random_panel, until

SYMBOLS = ("S0", "S1", "S2", "S3")
SESSIONS = 110
SPLIT_SESSION = 55
NO_NUMBERS = (None, "5", True, float("nan"), float("inf"))


class StrategyConformance:
    """Behaviour that the engine, the records and the researchers rely on.

    `kind` is the class and `parameters` make it act on 110 sessions of the symbols S0 to S3; `panel_parameters` may
    narrow them to the symbols of a smaller panel. `refused` are parameters out of range with the name that the refusal
    must give; numbers of the wrong type are found by themselves. `each_by_itself` says that an instrument's decisions
    do not depend on the others, `exact` that the order of columns changes no bit (else not more than 1e-5).
    """

    kind: type[Any]
    parameters: Mapping[str, Any] = {}
    refused: tuple[tuple[Mapping[str, Any], str], ...] = ()
    each_by_itself: bool = False
    exact: bool = True

    def panel_parameters(self, symbols: tuple[str, ...]) -> Mapping[str, Any]:
        """Return the parameters for a panel of these symbols."""
        return self.parameters

    def make(self, symbols: tuple[str, ...] = SYMBOLS) -> Strategy:
        """Return the strategy for a panel of these symbols."""
        built: Strategy = self.kind(**self.panel_parameters(symbols))
        return built

    def decided(self, panel: PricePanel) -> tuple[np.ndarray, ...]:
        """Return what the strategy wants on a panel."""
        return decisions(self.make(panel.symbols), panel)

    def test_it_is_one_kind_of_strategy(self) -> None:
        made = self.make()
        assert isinstance(made, SignalStrategy) is not isinstance(made, WeightStrategy)

    def test_it_acts_on_the_panel_of_the_tests(self) -> None:
        assert self.acts(self.decided(mixed_panel(0)))

    def test_decisions_have_the_engines_form(self) -> None:
        panel = mixed_panel(1)
        for wanted in self.decided(panel):
            assert wanted.shape == panel.shape
            if isinstance(self.make(), SignalStrategy):
                assert wanted.dtype == np.bool_
                continue
            rows = wanted[~np.isnan(wanted).all(axis=1)]
            assert wanted.dtype == np.float64
            assert not np.isnan(rows).any(), "a row is NaN in part"
            assert (rows >= 0.0).all()
            assert (rows.sum(axis=1) <= 1.0 + 1e-12).all()

    @pytest.mark.parametrize("seed", range(3))
    def test_another_future_or_none_changes_nothing_past(self, seed: int) -> None:
        panel = mixed_panel(seed)
        cuts = np.random.default_rng(seed).choice(SESSIONS - 1, size=3, replace=False)
        for cut in sorted(cuts.tolist()):
            assert_decisions_without_look_ahead(self.make(), panel, cut)

    def test_a_panel_shorter_than_the_warm_up_decides_as_the_longer_one_begins(self) -> None:
        panel = mixed_panel(2)
        whole = self.decided(panel)
        for sessions in (1, 2, 5):
            for begun, all_of_it in zip(self.decided(until(panel, sessions - 1)), whole, strict=True):
                assert begun.shape == (sessions, len(SYMBOLS))
                assert same(begun, all_of_it[:sessions])

    def test_the_same_panel_gives_the_same_bits(self) -> None:
        for one, two in zip(self.decided(mixed_panel(3)), self.decided(mixed_panel(3)), strict=True):
            assert same(one, two)

    def test_the_panel_is_left_as_it_was(self) -> None:
        panel = mixed_panel(3)
        self.decided(panel)
        assert replace(panel, id="").id == panel.id

    def test_an_instruments_decisions_do_not_depend_on_its_neighbours_where_it_says_so(self) -> None:
        panel = mixed_panel(4)
        together = self.decided(panel)
        for column in range(len(SYMBOLS)):
            for alone, all_of_it in zip(self.decided(columns(panel, [column])), together, strict=True):
                independent = same(alone[:, 0], all_of_it[:, column])
                assert independent or not self.each_by_itself, f"{SYMBOLS[column]} depends on the other columns"

    def test_the_order_of_columns_changes_nothing(self) -> None:
        panel = mixed_panel(5)
        order = [2, 0, 3, 1]
        for moved, wanted in zip(self.decided(columns(panel, order)), self.decided(panel), strict=True):
            if self.exact:
                assert same(moved, wanted[:, order])
            else:
                np.testing.assert_allclose(moved, wanted[:, order], atol=1e-5)

    def test_a_panel_of_one_instrument_is_enough(self) -> None:
        panel = columns(mixed_panel(6), [1])
        assert all(wanted.shape == (SESSIONS, 1) for wanted in self.decided(panel))
        run_strategy(self.make(panel.symbols), panel)

    def test_missing_prices_give_decisions_that_the_engine_takes(self) -> None:
        panel = gappy_panel(7)
        result = run_strategy(self.make(), panel)
        assert np.isfinite(result.nav).all()

    def test_no_decision_rests_on_an_instrument_without_any_price(self) -> None:
        panel = without_prices(mixed_panel(8), 2)
        for wanted in self.decided(panel):
            assert isinstance(self.make(), SignalStrategy) or not np.nan_to_num(wanted[:, 2]).any()

    def test_a_split_changes_no_decision(self) -> None:
        plain = random_panel(9, SESSIONS, len(SYMBOLS))
        assert not len(plain.actions)
        for split, wanted in zip(self.decided(with_split(plain)), self.decided(plain), strict=True):
            assert same(split, wanted), "a split was taken for a fall of the price"

    def test_prices_in_another_unit_change_no_decision(self) -> None:
        panel = random_panel(10, SESSIONS, len(SYMBOLS))
        cheap = replace(panel, fields={name: read_only(v / 1024.0) for name, v in panel.fields.items()}, id="")
        for one, two in zip(self.decided(cheap), self.decided(panel), strict=True):
            assert same(one, two)

    def test_parameters_round_trip_through_their_description(self) -> None:
        made = self.make()
        described = describe_strategy(made)
        assert (described.name, described.family) == (self.kind.name, self.kind.family)
        assert set(described.parameters) == {field.name for field in fields(self.kind)}
        recorded = json.loads(json.dumps(dict(described.parameters)))
        assert build_strategy(self.kind, recorded) == made

    def test_it_cannot_be_changed(self) -> None:
        made = self.make()
        for field in fields(self.kind):
            with pytest.raises(AttributeError):
                setattr(made, field.name, getattr(made, field.name))
        assert not hasattr(made, "__dict__"), "slots are missing"

    def test_numbers_of_the_wrong_type_are_refused_by_name(self) -> None:
        for field in fields(self.kind):
            if field.type not in (int, float):
                continue
            wrong = NO_NUMBERS if field.type is float else (*NO_NUMBERS, 2.5, -1)
            for value in wrong:
                self.assert_refused({**self.parameters, field.name: value}, field.name)

    def test_parameters_out_of_range_are_refused_by_name(self) -> None:
        for parameters, named in self.refused:
            self.assert_refused({**self.parameters, **parameters}, named)

    def test_numpys_numbers_are_stored_as_plain_ones(self) -> None:
        for field in fields(self.kind):
            if field.type in (int, float):
                value = getattr(self.make(), field.name)
                made = self.kind(
                    **{**self.parameters, field.name: np.float64(value) if field.type is float else np.int64(value)}
                )
                assert type(getattr(made, field.name)) is field.type

    def test_everything_public_has_a_docstring(self) -> None:
        assert is_dataclass(self.kind)
        described = describe_strategy(self.make()).description
        assert described.endswith(".")
        method = self.kind.signals if hasattr(self.kind, "signals") else self.kind.weights
        assert "sessions × instruments" in (inspect.getdoc(method) or "") or self.kind.__name__ == "BuyAndHold"
        assert "Raises:" in (self.kind.__doc__ or "") or not fields(self.kind)

    @pytest.mark.parametrize("library", [pickle, cloudpickle], ids=lambda library: library.__name__)
    def test_it_travels_to_a_worker(self, library: Any) -> None:
        made = self.make()
        arrived = library.loads(library.dumps(made))
        assert arrived == made
        for one, two in zip(decisions(arrived, mixed_panel(0)), self.decided(mixed_panel(0)), strict=True):
            assert same(one, two)

    def assert_refused(self, parameters: Mapping[str, Any], named: str) -> None:
        """Check that building with these parameters fails, naming one of them and a remedy."""
        with pytest.raises(InvalidInput) as caught:
            self.kind(**parameters)
        assert named in caught.value.detail, f"{caught.value.detail!r} does not name {named}"
        assert caught.value.remedy

    @staticmethod
    def acts(wanted: tuple[np.ndarray, ...]) -> bool:
        """Say whether anything is wanted: an entry, or a weight above 0."""
        return bool((np.nan_to_num(wanted[0].astype(np.float64)) > 0.0).any())


def mixed_panel(seed: int) -> PricePanel:
    """Return a raw panel with splits and dividends and a few missing bars."""
    return random_panel(seed, SESSIONS, len(SYMBOLS), missing=0.01, actions=10)


def gappy_panel(seed: int) -> PricePanel:
    """Return a raw panel in which S1 starts late, S2 ends early and many bars are missing."""
    panel = random_panel(seed, SESSIONS, len(SYMBOLS), missing=0.1, actions=10)
    late, early = np.zeros(panel.shape, dtype=bool), np.zeros(panel.shape, dtype=bool)
    late[: SESSIONS // 3, 1] = True
    early[2 * SESSIONS // 3 :, 2] = True
    return masked(panel, late | early)


def without_prices(panel: PricePanel, column: int) -> PricePanel:
    """Return the panel with a column that has no price at all."""
    gone = np.zeros(panel.shape, dtype=bool)
    gone[:, column] = True
    return masked(panel, gone)


def masked(panel: PricePanel, gone: np.ndarray) -> PricePanel:
    """Return the panel without the bars at `gone` and without actions on columns that lose any."""
    fields_left = {name: read_only(np.where(gone, np.nan, values)) for name, values in panel.fields.items()}
    kept = ~gone.any(axis=0)[panel.actions.column]
    table = ActionTable(*(array[kept] for _, array in panel.actions.arrays()))
    return replace(panel, fields=fields_left, actions=table, id="")


def with_split(panel: PricePanel) -> PricePanel:
    """Return the panel with prices halved from a session on, for two new shares each: the same growth to the bit."""
    after = np.arange(SESSIONS)[:, np.newaxis] >= SPLIT_SESSION
    halved = {name: np.where(after, values / 2.0, values) for name, values in panel.fields.items()}
    splits = [(SPLIT_SESSION, symbol, "split", 2.0) for symbol in panel.symbols]
    close, opens = (dict(zip(panel.symbols, halved[name].T, strict=True)) for name in ("close", "open"))
    return make_panel(close, open=opens, actions=splits)


def columns(panel: PricePanel, chosen: list[int]) -> PricePanel:
    """Return the panel with these columns in this order."""
    return panel.select([panel.symbols[column] for column in chosen])


def same(one: np.ndarray, two: np.ndarray) -> bool:
    """Say whether two arrays hold the same bits, NaN being NaN."""
    return np.array_equal(one.astype(np.float64), two.astype(np.float64), equal_nan=True)
