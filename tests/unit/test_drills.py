"""The drills resume where they stopped, and the sum of `make test` counts what pytest counted."""

from pathlib import Path

import pytest

from tests import drills
from tests.drills import Drill, Round
from tests.run import Count, count

DRILL = Drill("shake", ("python", "-c", "pass", "{seed}"), rounds=3, limit_seconds=10)


def make_round(number: int, passed: bool = True) -> Round:
    return Round("shake", number, seed=7, passed=passed, seconds=1.5, started_at="2026-01-01", ended_at="2026-01-02")


def test_a_killed_run_goes_on_with_the_rounds_that_are_missing(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    drills.append(record, make_round(0))
    with record.open("a") as file:
        file.write('{"drill": "shake", "numb')  # killed while writing
    drills.append(record, make_round(2))
    rounds = drills.recorded(record)
    assert [done.number for done in rounds] == [0, 2]
    assert list(drills.missing((DRILL,), rounds)) == [(DRILL, 1)]


def test_a_summary_counts_failures_and_is_complete_only_with_every_round() -> None:
    partial = drills.summary(DRILL, [make_round(0), make_round(1, passed=False)])
    assert (partial["rounds"], partial["failures"], partial["failed_seeds"]) == (2, 1, [7])
    assert not partial["complete"]
    assert drills.summary(DRILL, [make_round(n) for n in range(3)])["complete"]


def test_seeds_differ_by_round_and_by_code_and_repeat() -> None:
    seeds = [drills.seed_of(code, number) for code in ("abc", "def") for number in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == drills.seed_of("abc", 0)


@pytest.mark.parametrize(
    ("script", "passed"),
    [
        pytest.param("pass", True, id="passing"),
        pytest.param("raise SystemExit(1)", False, id="failing"),
        pytest.param("import signal; signal.pause()", False, id="hanging"),
    ],
)
def test_a_round_passes_by_its_exit_code_within_its_time(tmp_path: Path, script: str, passed: bool) -> None:
    log = tmp_path / "log"
    limit = 1 if "pause" in script else 30
    drill = Drill("one", (drills.sys.executable, "-c", script), rounds=1, limit_seconds=limit)
    assert drills.run_round(drill, 0, seed=1, log=log).passed is passed
    assert log.exists() is not passed


def test_a_report_is_counted_with_errors_as_failures(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/>'
        '<testsuite tests="1" failures="0" errors="0" skipped="0"/></testsuites>'
    )
    assert count(report) == Count(passed=4, failed=3, skipped=3)
    assert str(count(report)) == "4 passed, 3 failed, 3 skipped"


def test_a_part_that_left_no_report_is_a_failure(tmp_path: Path) -> None:
    assert count(tmp_path / "none.xml") == Count(failed=1)
