"""Numbers read as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from investlab.charts import units

NAN = float("nan")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param(units.number(1234.567), "1,234.57", id="thousands"),
        pytest.param(units.number(-1234.5, 1), "−1,234.5", id="true-minus"),
        pytest.param(units.number(0.5, signed=True), "+0.50", id="plus"),
        pytest.param(units.number(-0.001, signed=True), "0.00", id="no-sign-on-zero"),
        pytest.param(units.percent(0.1234), "12.3%", id="percent"),
        pytest.param(units.percent(-0.1234, signed=True), "−12.3%", id="loss"),
        pytest.param(units.times(3.2), "3.20×", id="times"),
        pytest.param(units.money(12345.6, "USD"), "USD\u00a012,346", id="money"),
        pytest.param(units.money(-5.0, "EUR"), "EUR\u00a0−5", id="owed"),
        pytest.param(units.count(1, "fill"), "1\u00a0fill", id="one"),
        pytest.param(units.count(1200, "fill"), "1,200\u00a0fills", id="many"),
        pytest.param(units.short_hash("pn-0123456789abcdef01"), "pn-0123456789ab", id="hash-keeps-prefix"),
        pytest.param(units.short_hash(None), "–", id="no-hash"),
        pytest.param(units.listed(["a", "b", "c"]), "a, b and c", id="list"),
        pytest.param(units.listed(["a"]), "a", id="list-of-one"),
    ],
)
def test_numbers_read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize("missing", [NAN, float("inf"), None])
def test_what_is_not_known_is_a_dash(missing: float | None) -> None:
    assert {units.number(missing), units.percent(missing), units.times(missing), units.money(missing, "USD")} == {"–"}


def test_moments_are_shown_in_utc() -> None:
    at = datetime(2021, 12, 31, 16, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert units.moment(at) == units.moment(at.astimezone(UTC)) == "2021-12-31 21:00 UTC"
