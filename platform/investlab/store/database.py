"""The database: reads on one engine, whole write units on another, and no exception of SQLAlchemy's gets out."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import ColumnElement, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session

from investlab.core.clock import Clock, SystemClock
from investlab.core.errors import Conflict, InvestlabError
from investlab.models.engines import Purpose, database_url, open_engine, sqlite_file
from investlab.models.failures import is_contention, meaning, translated
from investlab.store.symbol_directory import DIRECTORY, SymbolDirectory
from investlab.store.symbol_index import SymbolIndex

MOST_RETRIES = 5
FIRST_PAUSE_SECONDS = 0.01


class Database:
    """A SQLite or PostgreSQL database.

    `read` gives a session on a consistent snapshot. `write` runs a whole unit of work alone (`BEGIN IMMEDIATE` on
    SQLite, SERIALIZABLE on PostgreSQL), and again when another writer was in the way: a unit must therefore have no
    effect outside its session. `jitter` and `sleep` exist so that tests need no time.
    """

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        *,
        jitter: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock or SystemClock()
        self.url = database_url(url)
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._sleep = sleep
        self._reader = open_engine(self.url, Purpose.READ)
        self._writer = open_engine(self.url, Purpose.WRITE)
        self._unit = threading.local()
        self._symbols = SymbolDirectory(self._reader)

    def __repr__(self) -> str:
        return f"Database({self.place})"

    @property
    def place(self) -> str:
        """Where the database is, in words that hide its password."""
        file = sqlite_file(self.url)
        return str(file) if file else self.url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a SQLite file."""
        return sqlite_file(self.url) is not None

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session that reads one snapshot and cannot write.

        Raises:
            StorageUnavailable: The database cannot be reached or was never set up.
        """
        known = {DIRECTORY: self._symbols}
        with translated(), Session(self._reader, expire_on_commit=False, info=known) as session:
            yield session

    def symbols(self) -> SymbolIndex:
        """Return who bears which symbol when, as it stands at this moment; quick unless an instrument has changed.

        Raises:
            StorageUnavailable: The database cannot be reached or was never set up.
        """
        held = self._symbols.unchanged()
        if held is not None:
            return held
        with self.read() as session:
            return self._symbols.within(session)

    def write[T](self, unit: Callable[[Session], T]) -> T:
        """Run a write unit, commit it durably and return its result.

        The unit runs again, whole, at most five times while another writer is in the way; what it raises itself rolls
        everything back.

        Raises:
            Busy: Other writers were in the way every time; nothing was written.
            StorageUnavailable: The database is read-only, full, failing or gone; nothing was acknowledged.
        """
        with self._outermost():
            for attempt in range(MOST_RETRIES):
                try:
                    return self._run(unit)
                except SQLAlchemyError as error:
                    if not is_contention(error):
                        raise meaning(error) from error
                self._sleep(self._pause(attempt))
            try:
                return self._run(unit)
            except SQLAlchemyError as error:
                raise meaning(error) from error

    def now(self) -> datetime:
        """Return the clock's present moment."""
        return self.clock.now()

    def close(self) -> None:
        """Close every connection; the database may be used again and then reconnects."""
        self._reader.dispose()
        self._writer.dispose()

    def _run[T](self, unit: Callable[[Session], T]) -> T:
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            session.connection()  # takes SQLite's write lock before the unit reads anything
            return unit(session)

    def _pause(self, attempt: int) -> float:
        return FIRST_PAUSE_SECONDS * 2.0**attempt * (0.5 + self._jitter.random())

    @contextmanager
    def _outermost(self) -> Iterator[None]:
        if getattr(self._unit, "running", False):
            raise InvestlabError(
                "A write unit was started inside another one.", remedy="Pass the session on instead of the database."
            )
        self._unit.running = True
        try:
            yield
        finally:
            self._unit.running = False


def compare_and_set[Value](
    session: Session,
    column: InstrumentedAttribute[Value],
    *,
    where: ColumnElement[bool],
    expected: Value,
    value: Value,
) -> None:
    """Set the column of one row, if it still holds what the caller read.

    Raises:
        Conflict: It holds something else by now, or there is no such row.
    """
    changed = session.execute(
        update(column.class_).where(where, column == expected).values({column: value}),
        execution_options={"synchronize_session": False},
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(
            f"{column.class_.__name__}.{column.key} no longer is {expected!r}.", remedy="Read it again and retry."
        )


__all__ = ["Database", "Session", "compare_and_set"]
