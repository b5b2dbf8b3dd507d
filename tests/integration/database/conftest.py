from tests.support.databases import (
    database,
    database_url,
    empty_url,
    postgres,
    postgres_template,
    sqlite_database,
    sqlite_template,
)

__all__ = [
    "database",
    "database_url",
    "empty_url",
    "postgres",
    "postgres_template",
    "sqlite_database",
    "sqlite_template",
]
