"""Choosing where work runs: in this process or on Ray, which is loaded only when it is chosen."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from investlab.core.config import ExecutorChoice, Settings
from investlab.core.errors import InvalidInput
from investlab.core.executor import Executor, SerialExecutor
from investlab.core.extensions import EXECUTORS, load_extension

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
    return _ray(settings, reason)


def _ray(settings: Settings, reason: str) -> AbstractContextManager[Executor]:
    opening = cast("Callable[[Settings, str], AbstractContextManager[Executor]]", load_extension(EXECUTORS, "ray"))
    return opening(settings, reason)
