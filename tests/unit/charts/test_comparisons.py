"""How runs side by side show themselves."""

import pytest

from investlab.backtest.comparison import ComparedRun, compare_results
from investlab.charts.comparisons import ComparisonRenderer, comparison_chart
from tests.unit.charts.values import HOSTILE, make_result


def test_a_line_for_each_run_and_the_last_session_of_long_runs() -> None:
    runs = [ComparedRun(f"run {n}", make_result(6001), {}) for n in (1, 2, 3)]
    drawn = comparison_chart(compare_results(runs).nav)
    assert [line.label for line in drawn] == ["run 1", "run 2", "run 3"]
    sessions = next(iter(drawn)).dimension_values("session")
    assert len(sessions) <= 2501
    assert sessions[-1] == runs[0].result.nav.index[-1].to_datetime64()


@pytest.mark.slow
def test_a_card_says_what_differs_and_warns_when_unfair() -> None:
    fair = [ComparedRun("one", make_result(), {"fast": 5}), ComparedRun(HOSTILE, make_result(), {"fast": 10})]
    shown = ComparisonRenderer.html(compare_results(fair))
    assert "they differ in fast" in shown
    assert "il-warning" not in shown.partition("</style>")[2].partition("<script")[0]
    assert HOSTILE not in shown
    unfair = [*fair, ComparedRun("short", make_result(200), {"fast": 5})]
    assert "Comparing is unfair: they cover different periods" in ComparisonRenderer.report(compare_results(unfair))
