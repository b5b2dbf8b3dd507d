"""Cards of walk-forward and cross-validation: complete, escaped, and drawn without another host."""

import re
import tomllib
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from investlab.backtest.costs import Costs
from investlab.backtest.purged_cross_validation import purged_cross_validation
from investlab.backtest.purged_result import CrossValidationResult
from investlab.backtest.strategies import SmaCross, StrategyDescription
from investlab.backtest.walk_forward import walk_forward
from investlab.backtest.walk_forward_result import WalkForwardResult
from investlab.charts.cross_validation import CrossValidationRenderer
from investlab.charts.out_of_sample import WalkForwardRenderer, walk_chart
from tests.support.panels import random_panel
from tests.unit.charts.values import HOSTILE

GRID = {"fast": [2, 3, 5], "slow": [8, 13]}


@cache
def walked(criterion: str = "sharpe") -> WalkForwardResult:
    return walk_forward(
        SmaCross, GRID, random_panel(1, sessions=300), train=100, test=40, costs=Costs.bps(5), criterion=criterion
    )


@cache
def crossed() -> CrossValidationResult:
    return purged_cross_validation(SmaCross, GRID, random_panel(1, sessions=300))


def text_of(html: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body).replace("\u00a0", " "))


@pytest.mark.slow
def test_the_walk_forward_says_what_was_chosen_what_it_earned_and_what_switching_cost() -> None:
    result = walked()
    shown = text_of(WalkForwardRenderer.html(result))
    assert "walk-forward over 5 windows" in shown
    assert result.verdict.sentence.split(":")[0] in shown
    assert "keep the parameters of the one before" in shown
    assert "Out of sample Best in hindsight" not in shown
    for said in ("Best in hindsight (in sample): fast=", "Buy and hold", "Cost of switching", "6 uncounted"):
        assert said in shown
    assert shown.count(" – ") >= 10


@pytest.mark.slow
def test_another_criterion_has_its_own_columns() -> None:
    assert "train sortino" in text_of(WalkForwardRenderer.html(walked("sortino")))


@pytest.mark.slow
def test_the_cross_validation_shows_paths_and_splits() -> None:
    shown = text_of(CrossValidationRenderer.html(crossed()))
    assert "cross-validation on 5 paths" in shown
    assert "First 15 of 15 splits" in shown
    assert "share below 0" in shown


@pytest.mark.slow
@pytest.mark.parametrize(("renderer", "make"), [(WalkForwardRenderer, walked), (CrossValidationRenderer, crossed)])
def test_a_fragment_reaches_no_host_and_is_small(renderer: Any, make: Any) -> None:
    html = renderer.html(make())
    assert not re.findall(r"https?://|src=|href=|url\(|@import", html)
    assert len(html) < 1_600_000


@pytest.mark.slow
def test_hostile_names_are_text() -> None:
    hostile = StrategyDescription(HOSTILE, HOSTILE, {}, HOSTILE)
    result = replace(walked(), out_of_sample=replace(walked().out_of_sample, strategy=hostile))
    for html in (
        WalkForwardRenderer.report(result),
        CrossValidationRenderer.report(replace(crossed(), strategy=hostile)),
    ):
        assert "<img src=x" not in html
        assert "<script>alert" not in html


def test_every_parameter_has_its_chart_under_the_equity() -> None:
    assert len(walk_chart(walked())) == 1 + len(GRID)


def test_the_renderers_are_declared_as_the_results_ask_for_them() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    declared = project["project"]["entry-points"]["investlab.renderers"]
    for result, renderer in (
        (WalkForwardResult, WalkForwardRenderer),
        (CrossValidationResult, CrossValidationRenderer),
    ):
        module, _, name = declared[result.renderer].partition(":")
        assert getattr(import_module(module), name) is renderer
