"""The work of a sweep: units sized by the time they take, computed in any order, kept in a log that outlives a kill."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from investlab.core.executor import Executor, Progress

TIMED_SECONDS = 0.001
"""A first piece of work that takes so long tells well enough how long the rest will take."""

MOST_SECONDS = 0.5
"""A unit of work takes about so long at most: what a kill of its worker may cost."""

UNITS_PER_WORKER = 8
"""A small sweep is cut so that every worker gets about so many units, and all end together."""

LOG_SECONDS = 0.25, 5.0
"""Finished units are logged together, this often at most and at least, in between after a hundredth of the time that
the sweep has taken: it is what a kill of the driver costs beside the units under way."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepRows:
    """What a unit of work gave: the metrics of the trials from `start` on, and the block moments of those in `kept`."""

    start: int
    metrics: np.ndarray
    kept: np.ndarray
    moments: np.ndarray
    seconds: float = 0.0

    @property
    def stop(self) -> int:
        """Return the number after the last trial."""
        return self.start + len(self.metrics)


Compute = Callable[[Any, Any], tuple[np.ndarray, np.ndarray]]
Unit = tuple[int, np.ndarray, Any]
"""The number of the first trial, those of the trials whose moments are kept, and the part to compute."""


class SweepLog(Protocol):
    """Where finished units of a sweep are kept until its result is."""

    def kept(self) -> Iterable[SweepRows]:
        """Return what earlier attempts kept."""
        ...

    def keep(self, units: Sequence[SweepRows]) -> None:
        """Keep finished units; when it returns they survive the end of this process and of the machine."""
        ...


class NoLog:
    """A log that forgets: an attempt that breaks off starts anew."""

    def kept(self) -> Iterable[SweepRows]:
        """Return nothing."""
        return ()

    def keep(self, units: Sequence[SweepRows]) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepJob:
    """What there is to compute, in the terms of work.

    `compute(shared, part)` gives metrics (trials × `widths[0]`) and the block moments (kept trials × `widths[1]`) of
    the part that `cut(start, stop)` makes. `kept` are the ascending numbers of the trials whose moments are kept.
    `block` is how many trials are worth computing together, `first` how many a unit has before anything was timed.
    """

    count: int
    kept: np.ndarray
    widths: tuple[int, int]
    cut: Callable[[int, int], Any]
    compute: Compute
    shared: Any
    block: int
    first: int


class SweepWork:
    """The trials of a sweep as they are computed; which units they came in leaves no trace in the rows.

    `metrics` and `moments` fill up; `from_log` trials came from earlier attempts, `seconds` is what computing the
    others took by the clock.
    """

    def __init__(self, job: SweepJob, log: SweepLog) -> None:
        self.job = job
        self.metrics = np.empty((job.widths[0], job.count)).T  # each metric contiguous, as a table holds it
        self.moments = np.empty((len(job.kept), job.widths[1]))
        self.seconds = 0.0
        self._log = log
        self._taken = np.zeros(job.count, dtype=bool)
        self._pending: list[SweepRows] = []
        self._began_at = self._logged_at = perf_counter()
        self._pace = inf
        self._cursor = self._done = 0
        for rows in log.kept():
            if self._fits(rows):
                self._place(rows)
                self._taken[rows.start : rows.stop] = True
        self._done = self.from_log = int(self._taken.sum())
        self._left = job.count - self._done

    @property
    def seconds_left(self) -> float:
        """Return how long one worker would take for the trials that nobody has taken yet; infinite before a timing."""
        return self._pace * self._left if self._left else 0.0

    def measure(self) -> float:
        """Compute a first piece of the work here, and return the seconds that one worker needs for the rest.

        The piece grows from one trial, which also compiles what no cache holds, until it takes a millisecond.
        """
        started, size, pieces = perf_counter(), 1, 0
        while (span := self._take(size)) is not None:
            rows = compute_unit((self.job.compute, self.job.shared), self._unit(*span))
            self._finish(rows)
            if pieces and (rows.seconds >= TIMED_SECONDS or size >= self.job.block):
                break
            size = min(4 * size, self.job.block) if pieces else 1
            pieces += 1
        self.seconds += perf_counter() - started
        return self.seconds_left

    def run(self, executor: Executor, progress: Progress, unit_size: int | None = None) -> tuple[int, ...]:
        """Compute everything that is missing and return the processes that did; `progress` counts trials.

        When it breaks off, what is finished is in the log.
        """
        if self._done:
            progress(self._done, self.job.count)
        started, pids = perf_counter(), set()
        units = self._units(executor, unit_size)
        try:
            with closing(executor.stream(compute_unit, (self.job.compute, self.job.shared), units)) as answers:
                for answer in answers:
                    pids.add(answer.pid)
                    self._finish(answer.value)
                    progress(self._done, self.job.count)
        except BaseException:
            self._write()
            raise
        finally:
            self.seconds += perf_counter() - started
        return tuple(sorted(pids))

    def _units(self, executor: Executor, size: int | None) -> Iterator[Unit]:
        while (span := self._take(size or self._size(executor))) is not None:
            yield self._unit(*span)

    def _unit(self, start: int, stop: int) -> Unit:
        first, last = np.searchsorted(self.job.kept, (start, stop))
        return start, self.job.kept[first:last], self.job.cut(start, stop)

    def _size(self, executor: Executor) -> int:
        """Return how many trials the next unit has."""
        if self._pace == inf:
            return self.job.first
        even = self.seconds_left / (UNITS_PER_WORKER * executor.workers)
        return max(1, round(min(max(even, executor.least_unit_seconds), MOST_SECONDS) / self._pace))

    def _take(self, size: int) -> tuple[int, int] | None:
        """Return the next trials that nobody has taken, at most `size` and next to each other; None after the last."""
        ahead = self._taken[self._cursor :]
        start = self._cursor + int(ahead.argmin()) if len(ahead) else self.job.count
        if start == self.job.count or self._taken[start]:
            return None
        others = self._taken[start : start + size]
        stop = start + (int(others.argmax()) if others.any() else len(others))
        self._taken[start:stop] = True
        self._cursor = stop
        self._left -= stop - start
        return start, stop

    def _finish(self, rows: SweepRows) -> None:
        self._place(rows)
        self._done += len(rows.metrics)
        if rows.seconds > 0.0:
            self._pace = min(self._pace, rows.seconds / len(rows.metrics))
        self._pending.append(rows)
        now, (least, most) = perf_counter(), LOG_SECONDS
        if now - self._logged_at >= min(max(least, (now - self._began_at) / 100.0), most):
            self._write()

    def _write(self) -> None:
        if self._pending:
            self._log.keep(self._pending)
        self._pending = []
        self._logged_at = perf_counter()

    def _place(self, rows: SweepRows) -> None:
        self.metrics[rows.start : rows.stop] = rows.metrics
        first, last = np.searchsorted(self.job.kept, (rows.start, rows.stop))
        self.moments[first:last] = rows.moments.reshape(last - first, -1) if last > first else 0.0

    def _fits(self, rows: SweepRows) -> bool:
        """Say whether logged rows can be of this work."""
        if not (0 <= rows.start <= rows.stop <= self.job.count and rows.metrics.shape[1] == self.job.widths[0]):
            return False
        first, last = np.searchsorted(self.job.kept, (rows.start, rows.stop))
        return np.array_equal(rows.kept, self.job.kept[first:last]) and rows.moments.size == (
            (last - first) * self.job.widths[1]
        )


def compute_unit(shared: tuple[Compute, Any], unit: Unit) -> SweepRows:
    """Return the rows of a unit of work with the seconds that it took."""
    start, kept, part = unit
    started = perf_counter()
    metrics, moments = shared[0](shared[1], part)
    return SweepRows(start, metrics, kept, moments, perf_counter() - started)
