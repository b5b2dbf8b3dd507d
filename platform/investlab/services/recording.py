"""Recording that work failed, whatever it failed of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from investlab.core.errors import InvestlabError
from investlab.services.context import Context
from investlab.store.database import Session


@contextmanager
def failures_recorded(context: Context, record: Callable[[Session, str, datetime], object]) -> Iterator[None]:
    """Call `record(session, reason, at)` in a write unit when the block fails, and let the error go on."""
    try:
        yield
    except BaseException as error:
        reason = _reason(error)
        at = context.clock.now()
        context.database.write(lambda session: record(session, reason, at))
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "It was interrupted."
    return error.sentence if isinstance(error, InvestlabError) else type(error).__name__
