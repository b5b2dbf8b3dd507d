"""Several writers at once: nothing acknowledged is lost with the write recipe, and much is without it."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from investlab.models.engines import database_url as engine_url
from investlab.store.database import Database
from tests.support.writers import (
    READ,
    WRITE,
    count_with_recipe,
    count_without_recipe,
    counted,
    increment,
    make_counter,
    run_processes,
)

PROCESSES = 4


@pytest.mark.slow
def test_four_processes_count_to_exactly_four_thousand(database: Database, database_url: str) -> None:
    make_counter(database)
    tally = run_processes(count_with_recipe, database_url, processes=PROCESSES, times=1000)
    assert (tally.acknowledged, counted(database)) == (4000, 4000)


@pytest.mark.slow
def test_without_the_recipe_updates_are_lost(database: Database, database_url: str) -> None:
    make_counter(database)
    tally = run_processes(count_without_recipe, database_url, processes=PROCESSES, times=250)
    assert counted(database) < tally.acknowledged or tally.refused > 0


def test_without_the_recipe_two_interleaved_writers_lose_one_update(database: Database, database_url: str) -> None:
    make_counter(database)
    engine = create_engine(engine_url(database_url))
    with Session(engine) as first, Session(engine) as second:
        seen = [session.execute(READ).scalar_one() for session in (first, second)]
        for session, value in zip((first, second), seen, strict=True):
            session.execute(WRITE, {"value": value + 1})
            session.commit()
    engine.dispose()
    assert counted(database) == 1


def test_with_the_recipe_an_interleaved_writer_runs_again(database: Database, database_url: str) -> None:
    make_counter(database)
    other = Database(database_url, sleep=lambda _: None)
    attempts = []

    def interrupted(session: Session) -> None:
        attempts.append(session)
        value = session.execute(READ).scalar_one()
        if len(attempts) == 1 and not database.is_sqlite:
            other.write(increment)
        session.execute(WRITE, {"value": value + 1})

    database.write(interrupted)
    other.close()
    assert (counted(database), len(attempts)) == ((1, 1) if database.is_sqlite else (2, 2))
