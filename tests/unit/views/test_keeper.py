"""A value is made once for all who ask within a moment, and the last one outlives trouble."""

import threading

import pytest

from investlab.core.errors import StorageUnavailable
from investlab.views.keeper import FRESH_SECONDS, Keeper


class Maker:
    def __init__(self) -> None:
        self.made = 0
        self.fails = False

    def __call__(self) -> int:
        if self.fails:
            raise StorageUnavailable("The disk is gone.")
        self.made += 1
        return self.made


def test_it_is_made_again_only_when_it_is_old() -> None:
    clock, maker = [0.0], Maker()
    keeper = Keeper(maker, lambda: clock[0])
    assert [keeper.fresh(), keeper.fresh()] == [1, 1]
    clock[0] = FRESH_SECONDS
    assert keeper.fresh() == 2


def test_trouble_leaves_the_last_value() -> None:
    clock, maker = [0.0], Maker()
    keeper = Keeper(maker, lambda: clock[0])
    assert keeper.fresh() == 1
    clock[0], maker.fails = 100.0, True
    assert keeper.fresh() == 1
    clock[0], maker.fails = 200.0, False
    assert keeper.fresh() == 2


def test_without_a_value_trouble_is_told() -> None:
    maker = Maker()
    maker.fails = True
    with pytest.raises(StorageUnavailable):
        Keeper(maker).fresh()


def test_many_who_ask_at_once_get_one() -> None:
    maker = Maker()
    keeper = Keeper(maker, lambda: 0.0)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(keeper.fresh())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(found), maker.made) == ({1}, 1)
