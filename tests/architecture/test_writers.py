"""Everything that writes to the database goes through `Database.write`, or says here why it does not."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "platform" / "investlab"
ALLOWED = {
    "models/engines.py": "opens the engines",
    "migrations/runner.py": "migrations: one transaction under a lock of their own",
    "migrations/losses.py": "a savepoint within a migration",
    "store/database.py": "the recipe itself",
    "store/database_copies.py": "reads one snapshot; writes into a database nobody uses yet, as a migration does",
    "store/database_files.py": "asks whether a file is in use",
}
OPENING = {"create_engine", "open_engine", "sessionmaker", "Session", "sqlite3.connect", "psycopg.connect"}
RECEIVERS = {"connection", "engine", "session", "_engine", "_reader", "_writer"}
ENDING = {"begin", "begin_nested", "commit", "rollback"}


def breaches(source: str) -> set[str]:
    """Return the calls in a module that open a connection, or begin or end a transaction, by themselves."""
    tree = ast.parse(source)
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    opening = OPENING if _knows_the_database(tree) else OPENING - {"Session"}  # others have sessions too
    return {name for name in called if name in opening or _ends_transaction(name)}


def _knows_the_database(tree: ast.Module) -> bool:
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return any(name.startswith(("sqlalchemy", "investlab.store.database")) for name in named)


def _ends_transaction(name: str) -> bool:
    receiver, _, method = name.rpartition(".")
    return method in ENDING and receiver.rpartition(".")[-1] in RECEIVERS


def modules() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if "versions" not in path.parts)


@pytest.mark.parametrize("path", sorted(ALLOWED))
def test_the_exceptions_are_there(path: str) -> None:
    assert breaches((ROOT / path).read_text(encoding="utf-8"))


def test_nothing_else_opens_or_ends_a_transaction() -> None:
    found = {path: breaches((ROOT / path).read_text(encoding="utf-8")) for path in modules()}
    assert {path: names for path, names in found.items() if names and path not in ALLOWED} == {}


@pytest.mark.parametrize(
    "source",
    [
        "engine = create_engine(url)",
        "session.commit()",
        "with engine.begin() as connection: pass",
        "from sqlalchemy.orm import Session\nwith Session(engine) as session: pass",
        "sqlite3.connect(file)",
    ],
)
def test_a_planted_breach_is_found(source: str) -> None:
    assert breaches(source)
