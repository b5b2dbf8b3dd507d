"""The work of a sweep: any units, order and earlier attempts give the same bits, and only the rest is computed."""

from collections.abc import Callable, Generator, Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from investlab.backtest.costs import Costs
from investlab.backtest.grid import expand_grid
from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import SweepTask, plan_sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.backtest.sweep_work import SweepJob, SweepRows, SweepWork
from investlab.backtest.terms import agree_terms
from investlab.core.executor import Answer, SerialExecutor, StreamingExecutor, ThreadExecutor, no_progress
from tests.support.panels import examples, random_panel

GRID = {"fast": list(range(2, 9)), "slow": list(range(5, 20, 2))}
PANEL = random_panel(11, sessions=120, instruments=2, missing=0.02, actions=4)
TASK = SweepTask(SmaCross, PANEL, agree_terms(PANEL, Costs.bps(5, 2), "next_open", 100_000.0))
POINTS = expand_grid(SmaCross, GRID)
COUNT = len(POINTS.valid)


class Notes:
    """A log in memory."""

    def __init__(self, units: Sequence[SweepRows] = ()) -> None:
        self.units = list(units)

    def kept(self) -> Iterable[SweepRows]:
        return self.units

    def keep(self, units: Sequence[SweepRows]) -> None:
        self.units.extend(units)


class Shuffled(StreamingExecutor):
    """Answers in another order, and breaks off after so many."""

    name = "shuffled"

    def __init__(self, seed: int, most: int = 10**6) -> None:
        super().__init__()
        self._generator, self._most = np.random.default_rng(seed), most

    def stream(self, function: Callable, shared: object, items: Iterable) -> Generator[Answer]:
        given = list(enumerate(items))
        for number, place in enumerate(self._generator.permutation(len(given))):
            if number == self._most:
                raise KeyboardInterrupt
            yield Answer(int(place), function(shared, given[place][1]), 1)


def bits(result: SweepResult) -> tuple[str, bytes, bytes]:
    assert result.block_moments is not None
    return result.hash, result.table.to_numpy().tobytes(), result.block_moments.tobytes()


PLAIN = bits(plan_sweep(TASK, POINTS).run(SerialExecutor()))


@given(st.integers(1, 4), st.one_of(st.none(), st.integers(1, COUNT + 1)))
@examples(20)
def test_threads_and_units_change_no_bit(workers: int, size: int | None) -> None:
    assert bits(plan_sweep(TASK, POINTS).run(ThreadExecutor(workers), unit_size=size)) == PLAIN


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 6)), max_size=4), st.integers(0, 99))
@examples(30)
def test_attempts_that_broke_off_leave_no_trace_and_nothing_is_computed_twice(
    attempts: list[tuple[int, int]], seed: int
) -> None:
    log = Notes()
    for number, (size, most) in enumerate(attempts):
        planned = plan_sweep(TASK, POINTS, log)
        try:
            planned.run(Shuffled(seed + number, most), no_progress, size)
        except KeyboardInterrupt:
            continue
    begun = sum(len(unit.metrics) for unit in log.units)
    final = plan_sweep(TASK, POINTS, log)
    assert final.work.from_log == begun
    assert bits(final.run(SerialExecutor(), unit_size=7)) == PLAIN
    numbers = [number for unit in log.units for number in range(unit.start, unit.stop)]
    assert len(numbers) == len(set(numbers))


def test_measured_work_is_part_of_the_sweep() -> None:
    planned = plan_sweep(TASK, POINTS)
    assert planned.measure() == 0.0
    assert bits(planned.run(SerialExecutor())) == PLAIN


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda rows: SweepRows(COUNT, rows.metrics, rows.kept, rows.moments), id="beyond-the-end"),
        pytest.param(lambda rows: SweepRows(0, rows.metrics[:, :-1], rows.kept, rows.moments), id="a-metric-less"),
        pytest.param(lambda rows: SweepRows(0, rows.metrics, rows.kept[1:], rows.moments[1:]), id="other-trials-kept"),
    ],
)
def test_rows_that_are_not_of_this_work_are_computed_again(odd: Callable[[SweepRows], SweepRows]) -> None:
    log = Notes()
    with pytest.raises(KeyboardInterrupt):
        plan_sweep(TASK, POINTS, log).run(Shuffled(0, 3), unit_size=2)
    planned = plan_sweep(TASK, POINTS, Notes([odd(log.units[0])]))
    assert planned.work.from_log == 0
    assert bits(planned.run(SerialExecutor())) == PLAIN


@pytest.mark.parametrize(("count", "expected"), [(10_000, [8, 500]), (200, [8, 50, 50, 50, 42])])
def test_units_grow_to_the_time_that_is_worth_handing_out(
    monkeypatch: pytest.MonkeyPatch, count: int, expected: list[int]
) -> None:
    """At 1 ms a trial, units of 10 s of work take 0.5 s, which are 500 trials, those of little work 50 ms, or 50."""
    clock, sizes = [0.0], []

    def compute(shared: object, part: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        sizes.append(part[1] - part[0])
        clock[0] += 0.001 * sizes[-1]
        return np.zeros((sizes[-1], 1)), np.zeros((0, 2))

    monkeypatch.setattr("investlab.backtest.sweep_work.perf_counter", lambda: clock[0])
    job = SweepJob(count, np.empty(0, np.int64), (1, 2), lambda *span: span, compute, None, block=256, first=8)
    SweepWork(job, Notes()).run(SerialExecutor(), no_progress)
    assert sizes[: len(expected)] == expected
    assert sum(sizes) == count


def test_combinations_are_made_in_grid_order_when_asked_for() -> None:
    """Hand-worked: fast 1–4 are shorter than 5 and 20, 1–2 than 3 too, and 5–10 than 20 alone."""
    points = expand_grid(SmaCross, {"fast": range(1, 11), "slow": [5, 20, 3]}).valid
    assert len(points) == 4 + 10 + 2
    assert len(points[3:7][1:]) == 3
    assert points[0] == {"fast": 1, "slow": 5}
    assert [one["slow"] for one in points[:4]] == [5, 20, 3, 5]
    assert list(points[-2:]) == [{"fast": 9, "slow": 20}, {"fast": 10, "slow": 20}]
    assert list(points.columns()["fast"]) == [one["fast"] for one in points]
