"""The content of every table of a SQLite file, to show that nothing changed."""

import hashlib
import sqlite3
from pathlib import Path


def table_checksums(file: Path) -> dict[str, str]:
    """Return a checksum of each table's rows by table name."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: hashlib.sha256(
                repr(sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr)).encode()
            ).hexdigest()
            for name in names
        }
