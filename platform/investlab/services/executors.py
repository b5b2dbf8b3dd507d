"""Choosing where work runs: in this process or on Ray, which is loaded only when it is chosen."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol, Self, cast

from investlab.core.config import ExecutorChoice, Settings
from investlab.core.errors import ExecutionFailed, InvalidInput
from investlab.core.executor import Executor, SerialExecutor, ThreadExecutor, in_process, processors
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
"""From so much work on that only processes can share, Ray is worth starting, or going to where it runs already."""

WORTH_LEAVING_SECONDS = 60.0
"""From so much work on that threads can share, starting Ray on this machine costs little beside it."""

CHOICES = ("auto", "serial", "threads", "ray")


def choose_executor(
    settings: Settings, requested: str, estimate: Callable[[], float], threads: int = 1
) -> AbstractContextManager[Executor]:
    """Give the executor to use; its `reason` says why.

    `settings.executor` (INVESTLAB_EXECUTOR) overrides `requested`. `auto` asks for an estimate of the seconds of work
    on one worker. Up to five seconds, or a minute where `threads` of this process can share the work, it stays here;
    beyond that it goes to Ray.

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
    if choice == "threads":
        return nullcontext(ThreadExecutor(processors(), f"{source}={choice}"))
    seconds = estimate()
    reason = f"auto: about {seconds:.1f} s of work"
    worth = WORTH_LEAVING_SECONDS if threads > 1 and settings.ray_address is None else WORTH_STARTING_SECONDS
    if seconds < worth:
        return nullcontext(in_process(seconds, threads, f"{reason}, less than {worth:.0f} s"))
    if settings.ray_address is None and settings.ray_workers < 2:
        return nullcontext(in_process(seconds, threads, f"{reason}, but only one worker"))
    return _ray_or_here(settings, seconds, threads)


@contextmanager
def _ray_or_here(settings: Settings, seconds: float, threads: int) -> Iterator[Executor]:
    """Give an executor on Ray, or one of this process when Ray does not start; its reason says so."""
    reason = f"auto: about {seconds:.1f} s of work"
    with ExitStack() as stack:
        try:
            chosen = stack.enter_context(_ray(settings, reason))
        except ExecutionFailed as error:
            here = in_process(seconds, threads, reason)
            here.reason = f"{reason}; {here.name} because Ray is not to be had: {error.detail}"
            chosen = here
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
