"""The zoo of leaks: all thirty are found, named where it can be worked out by hand, and no twin is accused."""

import pytest

from investlab.backtest.lookahead import audit_lookahead
from investlab.backtest.lookahead_report import Verdict
from tests.support.leak_zoo import ZOO, Specimen, zoo_panel

CUTS = 24
PANEL = zoo_panel()
BY_HAND = [each for each in ZOO if each.first_row is not None]


def test_there_are_thirty_of_each() -> None:
    assert len({each.name for each in ZOO}) == 30
    assert len(BY_HAND) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("specimen", ZOO, ids=lambda each: each.name)
def test_a_leak_is_found_and_named(specimen: Specimen) -> None:
    report = audit_lookahead(specimen.leak, PANEL, cuts=CUTS)

    assert report.verdict is Verdict.LEAKS, report.sentence
    assert report.first_leak is not None
    if specimen.first_row is not None:
        assert report.first_leak.session == PANEL.sessions[specimen.first_row].item(), report.sentence
    if specimen.fields is not None:
        assert report.first_leak.fields == specimen.fields


@pytest.mark.slow
@pytest.mark.parametrize("specimen", ZOO, ids=lambda each: each.name)
def test_a_clean_twin_is_not_accused(specimen: Specimen) -> None:
    report = audit_lookahead(specimen.twin, PANEL, cuts=CUTS)

    assert report.verdict is Verdict.CLEAN, report.sentence
    assert report.failed_attacks == 0
