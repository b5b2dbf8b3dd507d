"""One line of text about recorded runs: what it asks for, and what it refuses."""

from datetime import UTC, date, datetime

import pytest

from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.ledger import RunKind, RunQuery, RunStatus
from investlab.schemas.run_labels import Comparison, MetricCondition
from investlab.services.run_queries import parse_query, parse_since


def condition(metric: str, comparison: str, value: float) -> MetricCondition:
    return MetricCondition(metric=metric, comparison=Comparison(comparison), value=value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", RunQuery(), id="nothing"),
        pytest.param("momentum us-ohlcv", RunQuery(text=("momentum", "us-ohlcv")), id="words"),
        pytest.param('"first try" paper', RunQuery(text=("first try", "paper")), id="phrase"),
        pytest.param("tag:paper tag:us", RunQuery(tags=("paper", "us")), id="tags"),
        pytest.param("sharpe > 1", RunQuery(conditions=(condition("sharpe", ">", 1.0),)), id="condition"),
        pytest.param("sharpe>=.5", RunQuery(conditions=(condition("sharpe", ">=", 0.5),)), id="without-spaces"),
        pytest.param("max_drawdown>-20%", RunQuery(conditions=(condition("max_drawdown", ">", -0.2),)), id="percent"),
        pytest.param("costs <= 1e3", RunQuery(conditions=(condition("costs", "<=", 1000.0),)), id="exponent"),
        pytest.param("trials == 4", RunQuery(conditions=(condition("trials", "=", 4.0),)), id="equal"),
        pytest.param(
            "sharpe > 1 and cagr != 0",
            RunQuery(conditions=(condition("sharpe", ">", 1.0), condition("cagr", "!=", 0.0))),
            id="and",
        ),
        pytest.param(
            "kind:sweep status:completed strategy:macd dataset:us owner:ada",
            RunQuery(kind=RunKind.SWEEP, status=RunStatus.COMPLETED, strategy="macd", dataset="us", owner="ada"),
            id="keys",
        ),
        pytest.param("since:2024-02-01", RunQuery(since=datetime(2024, 2, 1, tzinfo=UTC)), id="since"),
        pytest.param("archived:yes", RunQuery(archived=True), id="archived-alone"),
        pytest.param("archived:all", RunQuery(archived=None), id="archived-too"),
    ],
)
def test_what_a_line_asks_for(text: str, expected: RunQuery) -> None:
    assert parse_query(text) == expected


def test_fields_are_added_to_what_the_line_asks_for() -> None:
    found = parse_query("tag:a sharpe > 1", tags=("b",), strategy="macd", dataset=None, archived=None, limit=7)
    assert (found.tags, found.strategy, found.dataset, found.archived, found.limit) == (
        ("a", "b"),
        "macd",
        None,
        None,
        7,
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("sharpe > one", "'> one'", id="no-number"),
        pytest.param("sharpe > 1abc", "'> 1abc'", id="number-with-letters"),
        pytest.param("momentum __import__('os')=1", "", id="code"),
        pytest.param("since:", "'since:'", id="no-value"),
        pytest.param("since:yesterday", "'yesterday'", id="no-date"),
        pytest.param('"open', "'\"open'", id="open-quote"),
        pytest.param("sharpe > 1 or cagr > 1", "'or'", id="or"),
        pytest.param("kind:forest", "'forest'", id="no-such-kind"),
        pytest.param("archived:maybe", "archived:maybe", id="no-such-archive"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_query(text)
    assert named in caught.value.sentence


def test_an_unknown_key_names_near_ones() -> None:
    with pytest.raises(NotFound, match="Did you mean strategy, status"):
        parse_query("strategi:macd")


def test_since_is_the_beginning_of_a_day_or_a_moment() -> None:
    assert parse_since(date(2024, 2, 1)) == datetime(2024, 2, 1, tzinfo=UTC)
    assert parse_since("2024-02-01T12:30:00+01:00") == datetime(2024, 2, 1, 11, 30, tzinfo=UTC)
    assert parse_since(None) is None


@pytest.mark.parametrize(
    ("comparison", "met"),
    [(">", False), (">=", True), ("<", False), ("<=", True), ("=", True), ("!=", False)],
)
def test_a_condition_on_an_equal_value(comparison: str, met: bool) -> None:
    assert condition("sharpe", comparison, 1.0).is_met(1.0) is met


@pytest.mark.parametrize("value", [None, float("nan")])
def test_an_undefined_metric_meets_no_condition(value: float | None) -> None:
    assert not condition("sharpe", "!=", 1.0).is_met(value)
