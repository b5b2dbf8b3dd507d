"""The executor protocol and its forms within this process: ordered maps and streams with shared data put once."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with (items done, items in all) as work advances."""

WORTH_THREADS_SECONDS = 0.005
"""From so much work on, threads are worth starting."""

_IN_FLIGHT_PER_THREAD = 2


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Outcome[R]:
    """The results of a map in the order of its items, and who computed them."""

    results: list[R]
    executor: str
    worker_pids: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer[R]:
    """What one item of a stream gave: its place among the items, the result, and the process that computed it."""

    place: int
    value: R
    pid: int


class Executor(Protocol):
    """Runs one function over many items; results never depend on which executor ran them."""

    name: str
    workers: int
    reason: str
    least_unit_seconds: float
    """An item of work should take at least so long, so that handing it out costs little beside it."""

    def map(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Sequence[Item],
        progress: Progress = no_progress,
    ) -> Outcome[Result]:
        """Return `function(shared, item)` for each item, in order.

        An `InvestlabError` raised by the function comes through as it is. A worker that dies is replaced; when that
        fails too, `WorkerLost` is raised.
        """
        ...

    def stream(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[Answer[Result]]:
        """Yield the answer to each item as soon as it is there, in any order; errors are those of `map`.

        Items are taken one by one as workers come free, so an iterator may still decide what the next one is. Closing
        the stream cancels what is under way and leaves nothing running.
        """
        ...


class StreamingExecutor(ABC):
    """What every executor shares: a map is a stream put in order."""

    name = ""
    workers = 1
    least_unit_seconds = 0.05

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    @abstractmethod
    def stream(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[Answer[Result]]:
        """Yield the answer to each item as soon as it is there."""

    def map(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Sequence[Item],
        progress: Progress = no_progress,
    ) -> Outcome[Result]:
        """Return `function(shared, item)` for each item, in order; when several fail, the error of the first of them.

        Raises:
            WorkerLost: The workers of an item died on every retry.
            ExecutionFailed: The function raised something that is no `InvestlabError`, in another process.
        """
        answers: dict[int, Answer[Result]] = {}
        for answer in self.stream(function, shared, items):
            answers[answer.place] = answer
            progress(len(answers), len(items))
        pids = tuple(sorted({answer.pid for answer in answers.values()}))
        return Outcome([answers[place].value for place in range(len(items))], self.name, pids, self.reason)


class SerialExecutor(StreamingExecutor):
    """Runs everything in this process, one item after the other."""

    name = "serial"

    def stream(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[Answer[Result]]:
        """Yield the answer to each item, in order."""
        for place, item in enumerate(items):
            yield Answer(place, function(shared, item), os.getpid())


class ThreadExecutor(StreamingExecutor):
    """Runs items on threads of this process: for compiled work, which does not hold the interpreter's lock."""

    name = "threads"
    least_unit_seconds = 0.002

    def __init__(self, workers: int, reason: str = "") -> None:
        super().__init__(reason)
        self.workers = workers

    def stream(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[Answer[Result]]:
        """Yield the answer to each item as soon as it is there; when the stream ends, no thread is left."""
        coming = iter(enumerate(items))
        running: dict[Future[Result], int] = {}
        failure: tuple[int, BaseException] | None = None
        pool = ThreadPoolExecutor(self.workers)
        try:
            while True:
                while failure is None and len(running) < self.workers * _IN_FLIGHT_PER_THREAD:
                    item = next(coming, None)
                    if item is None:
                        break
                    running[pool.submit(function, shared, item[1])] = item[0]
                if not running:
                    break
                for future in sorted(wait(running, return_when=FIRST_COMPLETED).done, key=running.__getitem__):
                    place = running.pop(future)
                    error = future.exception()
                    if error is None:
                        yield Answer(place, future.result(), os.getpid())
                    elif failure is None or place < failure[0]:
                        failure = place, error
            if failure is not None:
                raise failure[1]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def processors() -> int:
    """Return how many processors this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_process(seconds: float, threads: int, reason: str = "") -> SerialExecutor | ThreadExecutor:
    """Return the executor of this process for so many seconds of work that so many threads can share."""
    if threads > 1 and seconds >= WORTH_THREADS_SECONDS:
        return ThreadExecutor(threads, f"{reason}, on {threads} threads")
    return SerialExecutor(reason)
