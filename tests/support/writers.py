"""Processes that count up one number at the same time, with the platform's write recipe and without it."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from investlab.core.errors import Busy
from investlab.models.engines import database_url
from investlab.store.database import Database

READ = text("SELECT value FROM counter")
WRITE = text("UPDATE counter SET value = :value")
MOST_BUSY = 10_000


@dataclass(frozen=True, slots=True)
class Tally:
    """What one process got acknowledged, and what it was refused."""

    acknowledged: int
    refused: int


def make_counter(database: Database) -> None:
    """Create the counter at zero."""
    database.write(lambda session: session.execute(text("CREATE TABLE counter (value INTEGER NOT NULL)")) and None)
    database.write(lambda session: session.execute(text("INSERT INTO counter VALUES (0)")) and None)


def counted(database: Database) -> int:
    """Return the counter's value."""
    with database.read() as session:
        return int(session.execute(READ).scalar_one())


def increment(session: Session) -> None:
    """Read the counter, then write one more: the read-modify-write that loses updates."""
    value = session.execute(READ).scalar_one()
    session.execute(WRITE, {"value": value + 1})


def count_with_recipe(url: str, times: int) -> Tally:
    """Count up inside write units until `times` of them were acknowledged."""
    database, acknowledged, refused = Database(url, sleep=time.sleep), 0, 0
    while acknowledged < times and refused < MOST_BUSY:
        try:
            database.write(increment)
            acknowledged += 1
        except Busy:
            refused += 1
    database.close()
    return Tally(acknowledged, refused)


def count_without_recipe(url: str, times: int) -> Tally:
    """Count up `times` times on an engine as SQLAlchemy ships it."""
    engine, acknowledged, refused = create_engine(database_url(url)), 0, 0
    for _ in range(times):
        try:
            with Session(engine) as session, session.begin():
                increment(session)
            acknowledged += 1
        except SQLAlchemyError:
            refused += 1
    engine.dispose()
    return Tally(acknowledged, refused)


def run_processes(count: Callable[[str, int], Tally], url: str, *, processes: int, times: int) -> Tally:
    """Run several counting processes at once and add up what they got."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        tallies = list(pool.map(count, [url] * processes, [times] * processes))
    return Tally(sum(t.acknowledged for t in tallies), sum(t.refused for t in tallies))
