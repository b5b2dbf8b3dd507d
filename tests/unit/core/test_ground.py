"""Clock, hashing, display, logging and the serial executor."""

import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from investlab.core import display
from investlab.core.clock import FixedClock, SystemClock, parse_as_of, parse_session, require_aware
from investlab.core.config import Settings
from investlab.core.display import Displayable
from investlab.core.errors import InvalidInput
from investlab.core.executor import SerialExecutor
from investlab.core.hashing import canonical_json, hash_arrays, hash_file, hash_json
from investlab.core.logging import configure_logging


def test_the_system_clock_gives_aware_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_a_fixed_clock_stands_still() -> None:
    clock = FixedClock(datetime(2024, 1, 2, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2024, 1, 2, tzinfo=UTC)


def test_a_date_as_of_means_the_end_of_that_day() -> None:
    end = datetime(2021, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert parse_as_of("2021-12-31") == parse_as_of(date(2021, 12, 31)) == end
    assert parse_as_of(None) is None


def test_a_moment_as_of_is_turned_into_utc() -> None:
    assert parse_as_of("2021-12-31T16:00:00-05:00") == datetime(2021, 12, 31, 21, tzinfo=UTC)
    paris = datetime(2021, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert parse_as_of(paris) == datetime(2021, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2021-13-01", "2021-12-31T10:00:00", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_as_of(text)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        require_aware(datetime(2021, 1, 1))  # noqa: DTZ001


def test_sessions_are_dates() -> None:
    assert parse_session("2021-03-01", "start") == date(2021, 3, 1)
    assert parse_session(datetime(2021, 3, 1, tzinfo=UTC), "start") == date(2021, 3, 1)
    with pytest.raises(InvalidInput, match="start '1.3.2021' is no date"):
        parse_session("1.3.2021", "start")


def test_equal_values_have_equal_json() -> None:
    one = {"b": (1, 2), "a": {3, 1, 2}, "p": Path("x"), "n": np.float64(0.1)}
    two = {"a": {2, 3, 1}, "n": 0.1, "p": "x", "b": [1, 2]}
    assert canonical_json(one) == canonical_json(two)
    assert hash_json(one) == hash_json(two)


def test_arrays_hash_by_name_type_shape_and_content() -> None:
    base = hash_arrays([("a", np.array([1.0, np.nan, 0.0]))])
    assert hash_arrays([("a", np.array([1.0, -np.nan, -0.0]))]) == base
    assert hash_arrays([("b", np.array([1.0, np.nan, 0.0]))]) != base
    assert hash_arrays([("a", np.array([[1.0, np.nan, 0.0]]))]) != base
    assert hash_arrays([("a", np.array([1.0, np.nan, 0.0], dtype=np.float32))]) != base


def test_hashing_leaves_the_array_alone() -> None:
    values = np.array([np.nan, -0.0])
    values.flags.writeable = False
    hash_arrays([("a", values)])
    assert np.signbit(values[1])


def test_a_file_hashes_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    assert hash_file(tmp_path / "a") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_serial_results_keep_the_order_and_report_progress() -> None:
    seen: list[tuple[int, int]] = []
    outcome = SerialExecutor("why").map(lambda k, x: k * x, 10, [1, 2, 3], lambda *done: seen.append(done))
    assert outcome.results == [10, 20, 30]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (outcome.executor, outcome.worker_pids, outcome.reason) == ("serial", (os.getpid(),), "why")


@dataclass
class Value(Displayable):
    renderer: ClassVar[str] = "value"
    number: int


class ValueRenderer:
    @staticmethod
    def html(value: Any) -> str:
        return f"<b>{value.number}</b>"

    @staticmethod
    def plot(value: Any) -> Any:
        return value.number

    @staticmethod
    def report(value: Any) -> str:
        return f"<html>{value.number}</html>"


def test_a_value_shows_itself_through_its_renderer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(display, "load_extension", lambda group, name: {"value": ValueRenderer}[name])
    value = Value(7)
    assert value._repr_html_() == "<b>7</b>"
    assert value.plot() == 7
    written = value.report(tmp_path / "deep" / "report.html")
    assert written.read_text() == "<html>7</html>"


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_lines_go_to_standard_error_in_the_chosen_form(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_level="INFO", log_format=form))  # type: ignore[arg-type]
    logging.getLogger("investlab.test").info("stored %d bars", 3)
    logging.getLogger("investlab.test").debug("hidden")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "stored 3 bars" in captured.err
    assert "hidden" not in captured.err
    if form == "json":
        assert json.loads(captured.err)["message"] == "stored 3 bars"
    configure_logging(Settings())
