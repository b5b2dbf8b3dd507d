"""The column types: what they refuse, and what they turn values into, for each kind of database."""

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Dialect, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from investlab.core.errors import InvalidInput
from investlab.models.core import Base, Choice, Document, ExactDecimal, UtcDateTime, plain_document
from investlab.schemas.market import PriceBasis

SQLITE, POSTGRES = sqlite.dialect(), postgresql.dialect()
both = pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=["sqlite", "postgresql"])


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param(Decimal("0.1"), "0.1", id="no-binary-fraction"),
        pytest.param(Decimal("1.10"), "1.10", id="trailing-zero"),
        pytest.param(
            Decimal("123456789012345678901234.123456789"), "123456789012345678901234.123456789", id="33-digits"
        ),
        pytest.param(Decimal("1E+3"), "1000", id="exponent"),
        pytest.param(Decimal("1E-12"), "0.000000000001", id="small"),
        pytest.param(Decimal("-0"), "0", id="negative-zero"),
    ],
)
def test_sqlite_keeps_a_decimal_as_text(value: Decimal, stored: str) -> None:
    kind = ExactDecimal()
    assert kind.process_bind_param(value, SQLITE) == stored
    assert kind.process_result_value(stored, SQLITE) == value


@both
@pytest.mark.parametrize("value", [0.1, 1, "1.0", Decimal("NaN"), Decimal("Infinity")])
def test_only_finite_decimals_are_decimals(value: Any, dialect: Dialect) -> None:
    with pytest.raises(InvalidInput, match="no finite decimal"):
        ExactDecimal().process_bind_param(value, dialect)


@both
def test_a_naive_datetime_is_refused(dialect: Dialect) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        UtcDateTime().process_bind_param(datetime(2024, 1, 2, 12), dialect)  # noqa: DTZ001 - naive on purpose


@both
def test_a_moment_comes_back_in_utc(dialect: Dialect) -> None:
    kind = UtcDateTime()
    given = datetime(2024, 1, 2, 12, tzinfo=timezone(timedelta(hours=-5)))
    back = kind.process_result_value(kind.process_bind_param(given, dialect), dialect)
    assert back == given
    assert back is not None
    assert back.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param({"b": 1, "a": 2}, [("b", 1), ("a", 2)], id="order-of-keys"),
        pytest.param({"a": (1, 2)}, [("a", [1, 2])], id="tuple"),
        pytest.param({"a": {2, 1}}, [("a", [1, 2])], id="set"),
        pytest.param({"a": math.nan, "b": -math.inf}, [("a", "NaN"), ("b", "-Infinity")], id="not-finite"),
        pytest.param({"a": np.float64(0.1), "b": np.int64(3)}, [("a", 0.1), ("b", 3)], id="numpy"),
        pytest.param({"a": date(2024, 1, 2)}, [("a", "2024-01-02")], id="date"),
        pytest.param({"a": Decimal("1.10"), "b": Path("x/y")}, [("a", "1.10"), ("b", "x/y")], id="decimal-and-path"),
        pytest.param({"a": PriceBasis.RAW}, [("a", "raw")], id="enum"),
    ],
)
def test_a_document_becomes_plain_json(value: dict[str, Any], stored: list[tuple[str, Any]]) -> None:
    assert list(plain_document(value).items()) == stored
    assert list(Document().process_bind_param(value, SQLITE).items()) == stored


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(InvalidInput, match="type object cannot be stored"):
        plain_document({"a": object()})


def test_a_choice_refuses_other_texts() -> None:
    with pytest.raises(InvalidInput, match="'adjusted' is none of raw, split_adjusted, total_return"):
        Choice(PriceBasis).process_bind_param("adjusted", SQLITE)


@pytest.mark.parametrize("kind", [ExactDecimal(), UtcDateTime(), Document(), Choice(PriceBasis)], ids=repr)
def test_null_stays_null(kind: Any) -> None:
    assert kind.process_bind_param(None, SQLITE) is None


def test_every_constraint_and_index_has_a_name_of_the_convention() -> None:
    starts = ("pk_", "fk_", "uq_", "ck_", "ix_")
    named = [item for table in Base.metadata.tables.values() for item in (*table.constraints, *table.indexes)]
    assert [str(item.name) for item in named if not str(item.name).startswith(starts)] == []
    assert [str(item.name) for item in named if len(str(item.name)) > 63] == []


def test_every_enum_column_has_a_check() -> None:
    missing = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Choice)
        and f"ck_{table.name}_{column.name}" not in {str(constraint.name) for constraint in table.constraints}
    ]
    assert missing == []


def test_every_foreign_key_but_one_is_indexed() -> None:
    tables = Base.metadata.tables.values()
    unique = [key for table in tables for key in table.constraints if isinstance(key, UniqueConstraint)]
    indexes = [index for table in tables for index in table.indexes]
    leading = {f"{next(iter(item.columns))}" for item in (*unique, *indexes)}
    foreign = {f"{key.parent}" for table in tables for key in table.foreign_keys}
    assert foreign - leading == {"pipeline_steps.reused_from"}
