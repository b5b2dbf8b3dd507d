"""Executors of this process: streams are lazy, in any order, and end cleanly; maps are in order."""

import threading
from collections.abc import Iterator

import pytest

from investlab.core.errors import InvalidInput
from investlab.core.executor import SerialExecutor, StreamingExecutor, ThreadExecutor

EXECUTORS = [SerialExecutor(), ThreadExecutor(1), ThreadExecutor(3)]


def double(shared: int, item: int) -> int:
    return shared * item


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda one: f"{one.name}-{one.workers}")
def test_a_map_is_in_the_order_of_its_items(executor: StreamingExecutor) -> None:
    seen: list[tuple[int, int]] = []
    outcome = executor.map(double, 2, range(20), lambda *done: seen.append(done))
    assert outcome.results == [2 * item for item in range(20)]
    assert seen == [(done, 20) for done in range(1, 21)]


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda one: f"{one.name}-{one.workers}")
def test_the_error_of_the_first_item_that_fails_is_raised(executor: StreamingExecutor) -> None:
    def fail(_shared: int, item: int) -> int:
        if item in (3, 4, 5):
            raise InvalidInput(f"Item {item}.")
        return item

    with pytest.raises(InvalidInput, match="Item 3"):
        executor.map(fail, 0, range(10))


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda one: f"{one.name}-{one.workers}")
def test_items_are_taken_as_workers_come_free(executor: StreamingExecutor) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    stream = executor.stream(double, 2, items())
    next(stream)
    stream.close()
    assert len(taken) <= 2 * executor.workers + 1


def test_a_closed_stream_leaves_no_thread() -> None:
    before = threading.active_count()
    stream = ThreadExecutor(3).stream(double, 2, range(100))
    next(stream)
    assert threading.active_count() > before
    stream.close()
    assert threading.active_count() == before


def test_threads_work_at_the_same_time() -> None:
    """Two items that wait for each other end only when they run side by side."""
    meeting = threading.Barrier(2, timeout=30.0)

    def meet(_shared: int, item: int) -> int:
        meeting.wait()
        return item

    assert ThreadExecutor(2).map(meet, 0, [1, 2]).results == [1, 2]
