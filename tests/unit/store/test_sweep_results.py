"""A stored sweep keeps what its verdict stands on."""

from dataclasses import replace

from investlab.backtest.strategies import SmaCross
from investlab.backtest.sweep import sweep
from investlab.backtest.sweep_result import SweepResult
from investlab.store.results import decode_result, encode_result
from tests.support.panels import random_panel

GRID = {"fast": [2, 5], "slow": [8, 13, 30]}


def stored(result: SweepResult) -> SweepResult:
    back = decode_result(encode_result(result))
    assert isinstance(back, SweepResult)
    return back


def test_a_stored_sweep_gives_the_same_verdict() -> None:
    result = sweep(SmaCross, GRID, random_panel(5, sessions=203))
    assert result.verdict.overfitting is not None
    assert stored(result).verdict == result.verdict


def test_a_sweep_stored_without_block_moments_still_has_a_verdict() -> None:
    older = stored(replace(sweep(SmaCross, GRID, random_panel(5, sessions=203)), block_moments=None))
    assert older.verdict.overfitting is None
    assert older.verdict.sentence
