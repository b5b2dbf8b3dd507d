"""The executor protocol and its serial form: ordered map with shared data put once."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called with (items done, items in all) as work advances."""


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Outcome[R]:
    """The results of a map in the order of its items, and who computed them."""

    results: list[R]
    executor: str
    worker_pids: tuple[int, ...]
    reason: str = ""


class Executor(Protocol):
    """Runs one function over many items; results never depend on which executor ran them."""

    name: str
    workers: int

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


class SerialExecutor:
    """Runs everything in this process, one item after the other."""

    name = "serial"
    workers = 1

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def map(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Sequence[Item],
        progress: Progress = no_progress,
    ) -> Outcome[Result]:
        """Return `function(shared, item)` for each item, in order."""
        results = []
        for done, item in enumerate(items, start=1):
            results.append(function(shared, item))
            progress(done, len(items))
        return Outcome(results, self.name, (os.getpid(),), self.reason)
