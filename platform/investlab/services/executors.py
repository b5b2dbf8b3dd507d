"""Choosing where work runs: in this process or on Ray, which is loaded only when it is chosen."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol, Self, cast

from investlab.core.config import ExecutorChoice, Settings
from investlab.core.errors import ExecutionFailed, InvalidInput
from investlab.core.executor import Executor, SerialExecutor
from investlab.core.extensions import EXECUTORS, load_extension


class RayHead(Protocol):
    """A running Ray head; `env` lets another process attach to it."""

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that hold its address and token."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class RayDoor(Protocol):
    """The module `investlab.compute`, as the rest of the package sees it."""

    def ray_executor(self, settings: Settings, reason: str = "") -> AbstractContextManager[Executor]:
        """Give an executor on Ray."""
        ...

    def start_head(self, settings: Settings, environment: Mapping[str, str] | None = None) -> RayHead:
        """Start a Ray head."""
        ...


WORTH_STARTING_SECONDS = 5.0
CHOICES = ("auto", "serial", "ray")


def choose_executor(
    settings: Settings, requested: str, estimate: Callable[[], float]
) -> AbstractContextManager[Executor]:
    """Give the executor to use; its `reason` says why.

    `settings.executor` (INVESTLAB_EXECUTOR) overrides `requested`. `auto` asks for an estimate of the seconds of work
    on one worker and chooses Ray only from five seconds on.

    Raises:
        InvalidInput: There is no such executor.
    """
    if requested not in CHOICES:
        raise InvalidInput(f"Unknown executor {requested!r}.", remedy=f"Use one of {', '.join(CHOICES)}.")
    choice = settings.executor or cast("ExecutorChoice", requested)
    source = "INVESTLAB_EXECUTOR" if settings.executor else "executor"
    if choice == "serial":
        return nullcontext(SerialExecutor(f"{source}={choice}"))
    if choice == "ray":
        return _ray(settings, f"{source}={choice}")
    seconds = estimate()
    reason = f"auto: about {seconds:.1f} s of work"
    if seconds < WORTH_STARTING_SECONDS:
        return nullcontext(SerialExecutor(f"{reason}, less than {WORTH_STARTING_SECONDS:.0f} s"))
    if settings.ray_address is None and settings.ray_workers < 2:
        return nullcontext(SerialExecutor(f"{reason}, but only one worker"))
    return _ray_or_serial(settings, reason)


@contextmanager
def _ray_or_serial(settings: Settings, reason: str) -> Iterator[Executor]:
    """Give an executor on Ray, or the serial one when Ray does not start; its reason says so."""
    with ExitStack() as stack:
        try:
            chosen = stack.enter_context(_ray(settings, reason))
        except ExecutionFailed as error:
            chosen = SerialExecutor(f"{reason}; serial because Ray is not to be had: {error.detail}")
        yield chosen


def start_ray_head(settings: Settings, environment: Mapping[str, str]) -> RayHead:
    """Start a Ray head whose workers see the given environment.

    Raises:
        ExecutionFailed: It did not start.
    """
    return _door().start_head(settings, environment)


def _ray(settings: Settings, reason: str) -> AbstractContextManager[Executor]:
    return _door().ray_executor(settings, reason)


def _door() -> RayDoor:
    return cast("RayDoor", load_extension(EXECUTORS, "ray"))
