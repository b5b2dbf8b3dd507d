from tests.support.databases import (
    database,
    database_url,
    postgres,
    postgres_template,
    sqlite_template,
)

__all__ = ["database", "database_url", "postgres", "postgres_template", "sqlite_template"]
