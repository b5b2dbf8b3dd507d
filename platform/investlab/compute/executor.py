"""The executor over Ray."""

import os
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    WorkerCrashedError,
)

from investlab.compute.head import attach, one_line, start_head
from investlab.core.config import Settings
from investlab.core.errors import ExecutionFailed, InvalidInput, InvestlabError, WorkerLost
from investlab.core.executor import Answer, Item, Result, Shared, StreamingExecutor

MAX_RETRIES = 3
_IN_FLIGHT_PER_WORKER = 4
_LOST = (WorkerCrashedError, NodeDiedError, OutOfMemoryError, LocalRayletDiedError, ObjectLostError)


class _RemoteTrace(Exception):
    """The traceback of a worker as text: the cause of an error, never raised alone."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker sends back: a value, one of our errors, or the description of another exception."""

    pid: int
    value: Any = None
    error: InvestlabError | None = None
    failure: tuple[str, str] | None = None


def _answer(function: Callable[[Any, Any], Any], shared: Any, item: Any) -> _Answer:
    try:
        return _Answer(os.getpid(), function(shared, item))
    except InvestlabError as error:
        return _Answer(os.getpid(), error=error)
    except Exception as error:  # noqa: BLE001 (whatever the caller's function raises is reported, not handled)
        return _Answer(os.getpid(), failure=(one_line(error), traceback.format_exc()))


class RayExecutor(StreamingExecutor):
    """Runs items on the workers of the Ray cluster that this process is connected to."""

    name = "ray"

    def __init__(self, workers: int, reason: str = "") -> None:
        super().__init__(reason)
        self.workers = workers

    def stream(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Iterable[Item]
    ) -> Generator[Answer[Result]]:
        """Yield the answer to each item as soon as it is there; `shared` is put once and read-only in the workers.

        When several items fail, the error of the first one in item order is raised, as a serial map would.

        Raises:
            WorkerLost: The workers of an item died on every retry.
            ExecutionFailed: The function raised something that is no `InvestlabError`.
            InvalidInput: The function, the shared data or an item cannot be sent to a worker.
        """
        put = [_sent(ray.put, function, "function"), _sent(ray.put, shared, "shared data")]
        task: Any = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_answer)
        total = f" of {len(items)}" if isinstance(items, Sized) else ""
        coming = iter(enumerate(items))
        in_flight: dict[Any, int] = {}
        failure: InvestlabError | None = None
        try:
            while True:
                while failure is None and len(in_flight) < self.workers * _IN_FLIGHT_PER_WORKER:
                    following = next(coming, None)
                    if following is None:
                        break
                    in_flight[_sent(lambda item: task.remote(*put, item), following[1], "item")] = following[0]
                if not in_flight:
                    break
                reference = ray.wait(list(in_flight), num_returns=1)[0][0]
                place = in_flight.pop(reference)
                answer = _collected(reference, f"Item {place + 1}{total}")
                if isinstance(answer, _Answer):
                    yield Answer(place, answer.value, answer.pid)
                else:
                    failure = answer
                    _cancel([ref for ref, later in in_flight.items() if later > place], force=False)
                    in_flight = {ref: earlier for ref, earlier in in_flight.items() if earlier < place}
        except BaseException:
            _cancel(in_flight, force=True)
            raise
        if failure is not None:
            raise failure


def _sent(send: Callable[[Any], Any], value: Any, what: str) -> Any:
    try:
        return send(value)
    except TypeError as error:
        raise InvalidInput(
            f"The {what} cannot be sent to a worker: {one_line(error)}.",
            remedy="Keep open files, locks and connections out of it, or run with executor='serial'.",
        ) from error


def _cancel(references: Iterable[Any], *, force: bool) -> None:
    for reference in references:
        ray.cancel(reference, force=force)


def _collected(reference: Any, place: str) -> _Answer | InvestlabError:
    try:
        answer: _Answer = ray.get(reference)
    except _LOST as error:
        lost = WorkerLost(
            f"{place} lost its worker {MAX_RETRIES + 1} times ({type(error).__name__}).",
            remedy="Look for memory exhaustion or a crash in native code; executor='serial' runs it in this process.",
        )
        lost.__cause__ = error
        return lost
    except RayError as error:
        failed = ExecutionFailed(f"{place} could not run on a worker: {one_line(getattr(error, 'cause', error))}.")
        failed.__cause__ = error
        return failed
    if answer.failure is not None:
        sentence, trace = answer.failure
        failed = ExecutionFailed(f"{place} failed with {sentence}.")
        failed.__cause__ = _RemoteTrace(trace)
        return failed
    return answer if answer.error is None else answer.error


@contextmanager
def ray_executor(settings: Settings, reason: str = "") -> Iterator[RayExecutor]:
    """Give an executor on the head at `settings.ray_address`, or on a head of its own that ends with the context."""
    with ExitStack() as stack:
        if settings.ray_address is not None:
            stack.enter_context(attach(settings.ray_address))
        elif not ray.is_initialized():
            head = stack.enter_context(start_head(settings))
            stack.enter_context(attach(head.address, head.env))
        yield RayExecutor(_cluster_workers(), reason)


def _cluster_workers() -> int:
    resources = cast("dict[str, float]", cast("Any", ray).cluster_resources())
    return max(1, int(resources.get("CPU", 1)))
