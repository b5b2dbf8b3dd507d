"""Processes that append bars to one dataset at the same time, each recording its pin in the database."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from investlab.core.errors import Busy
from investlab.store.database import Database
from investlab.store.market import MarketStore, VersionPin
from tests.support.bars import INGESTED_AT, make_bars

DATASET = "shared"


def make_pins(database: Database) -> None:
    """Create the table of recorded pins."""
    columns = "base INTEGER, corrections INTEGER, hash TEXT"
    database.write(lambda session: session.execute(text(f"CREATE TABLE pins ({columns})")) and None)


def recorded_pin(database: Database) -> VersionPin | None:
    """Return the pin recorded last."""
    with database.read() as session:
        found = session.execute(text("SELECT base, corrections, hash FROM pins ORDER BY rowid DESC LIMIT 1")).first()
    return VersionPin(*found) if found else None


def record_pin(session: Session, pin: VersionPin) -> None:
    """Record a pin."""
    values = {"base": pin.base_version, "corrections": pin.corrections_version, "hash": pin.content_hash}
    session.execute(text("INSERT INTO pins VALUES (:base, :corrections, :hash)"), values)


def append_some(root: Path, url: str, writer: int, times: int) -> int:
    """Append bars of this writer's instrument, session after session, and return how many appends were acknowledged."""
    store, database = MarketStore(root, lock_timeout_seconds=60), Database(url, sleep=time.sleep)
    acknowledged = 0
    while acknowledged < times:
        bars = make_bars(instrument_ids=(writer,), first=f"{2000 + acknowledged}-06-01", sessions=1)
        try:
            with store.writing(DATASET):
                pin = recorded_pin(database)
                pin = store.append(DATASET, bars, acknowledged=pin, ingested_at=INGESTED_AT).pin
                database.write(partial(record_pin, pin=pin))
        except Busy:
            continue
        acknowledged += 1
    database.close()
    return acknowledged


def run_writers(root: Path, url: str, *, writers: int, times: int) -> int:
    """Let several processes append at once and return how many appends were acknowledged."""
    with ProcessPoolExecutor(writers, mp_context=multiprocessing.get_context("spawn")) as pool:
        tasks = [pool.submit(append_some, root, url, number, times) for number in range(1, writers + 1)]
        return sum(task.result() for task in tasks)
