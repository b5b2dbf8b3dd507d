"""A recorded sweep under way: its chunks are kept until its result is, its progress stands in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from investlab.core.executor import Progress
from investlab.schemas.ledger import RunStart
from investlab.services.context import Context
from investlab.store.repositories import attempts
from investlab.store.sweep_chunks import SweepChunks, SweepChunkStore

NOTED_EVERY_SECONDS = 1.0
ABANDONED = "Its process ended before it did; the run that follows goes on with what it left."


@contextmanager
def resumable(context: Context, start: RunStart, *, is_identified: bool) -> Iterator[SweepChunks | None]:
    """Give the place of a sweep's finished chunks; None where its code has no identity, so that nothing can go on.

    Raises:
        Busy: Another process is computing the same sweep.
    """
    if not is_identified:
        yield None
        return
    with _store(context).writing(start.key) as chunks:
        yield chunks


def discard(context: Context, key: str) -> None:
    """Remove the chunks of a sweep that has its result, as a process killed just after storing it leaves them."""
    _store(context).discard(key)


def take_over(context: Context, chunks: SweepChunks | None, run_id: str) -> None:
    """Note that a run now works on these chunks, and record that runs whose process was killed meanwhile failed."""
    if chunks is None:
        return
    earlier, at = chunks.attempts(), context.clock.now()
    chunks.add_attempt(run_id)
    if earlier:
        context.database.write(lambda session: attempts.fail_abandoned(session, earlier, error=ABANDONED, at=at))


def noted(context: Context, run_id: str, progress: Progress) -> Progress:
    """Return progress that also records the trials done, about once a second."""
    shown = monotonic()

    def report(done: int, total: int) -> None:
        nonlocal shown
        progress(done, total)
        if monotonic() - shown >= NOTED_EVERY_SECONDS:
            shown = monotonic()
            context.database.write(lambda session: attempts.note_trials(session, run_id, done))

    return report


def _store(context: Context) -> SweepChunkStore:
    settings = context.settings
    return SweepChunkStore(settings.home_path / "cache" / "sweeps", lock_timeout_seconds=settings.lock_timeout_seconds)
