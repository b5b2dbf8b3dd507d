"""Windows and splits: borders worked by hand, and the book's published example of combinatorial cross-validation."""

import pytest

from investlab.analytics.out_of_sample import CombinatorialPlan, WalkForwardPlan
from investlab.core.errors import InvalidInput


@pytest.mark.parametrize(
    ("plan", "windows", "leftover"),
    [
        pytest.param(
            WalkForwardPlan(6, 4), [(0, 6, 6, 10), (4, 10, 10, 14), (8, 14, 14, 18)], 2, id="rolling-leaves-two"
        ),
        pytest.param(
            WalkForwardPlan(6, 4, anchored=True), [(0, 6, 6, 10), (0, 10, 10, 14), (0, 14, 14, 18)], 2, id="anchored"
        ),
        pytest.param(WalkForwardPlan(6, 4, purge=2), [(0, 6, 8, 12), (4, 10, 12, 16), (8, 14, 16, 20)], 0, id="purged"),
        pytest.param(
            WalkForwardPlan(6, 4, purge=2, embargo=1), [(0, 6, 9, 13), (4, 10, 13, 17)], 3, id="purged-and-embargoed"
        ),
        pytest.param(
            WalkForwardPlan(6, 4, anchored=True, embargo=3), [(0, 6, 9, 13), (0, 10, 13, 17)], 3, id="anchored-embargo"
        ),
    ],
)
def test_window_borders(plan: WalkForwardPlan, windows: list[tuple[int, ...]], leftover: int) -> None:
    found = [(one.train.start, one.train.stop, one.test.start, one.test.stop) for one in plan.folds(20)]
    assert (found, plan.leftover(20)) == (windows, leftover)


def test_a_panel_too_short_names_what_is_needed() -> None:
    assert len(WalkForwardPlan(6, 4, purge=1).folds(11)) == 1
    with pytest.raises(InvalidInput, match="11 sessions are needed"):
        WalkForwardPlan(6, 4, purge=1).folds(10)


@pytest.mark.parametrize("given", [{"train": 1}, {"test": 1}, {"purge": -1}, {"embargo": -1}])
def test_impossible_windows_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match="No window has"):
        WalkForwardPlan(**{"train": 10, "test": 5, **given})


def test_six_groups_of_which_two_are_tested_give_the_books_splits_and_paths() -> None:
    """López de Prado (2018), section 12.3 and figures 12.1 and 12.2: 15 splits, 5 paths; paths 1 and 2 as printed."""
    plan = CombinatorialPlan(6, 2)
    assert (plan.splits, plan.paths) == (15, 5)
    paths = [[split + 1 for split in path] for path in plan.path_splits()]
    assert paths[:2] == [[1, 1, 2, 3, 4, 5], [2, 6, 6, 7, 8, 9]]


@pytest.mark.parametrize(
    ("groups", "tested", "splits", "paths"), [(6, 1, 6, 1), (10, 2, 45, 9), (16, 8, 12870, 6435), (5, 4, 5, 4)]
)
def test_the_number_of_splits_and_paths(groups: int, tested: int, splits: int, paths: int) -> None:
    """C(N, k) splits; k = 1 is plain cross-validation with one path, k = 2 gives N - 1 (section 12.3)."""
    plan = CombinatorialPlan(groups, tested)
    assert (plan.splits, plan.paths) == (splits, paths)


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (7, 3)])
def test_every_tested_group_is_on_one_path_exactly(groups: int, tested: int) -> None:
    plan = CombinatorialPlan(groups, tested)
    taken = [(group, split) for path in plan.path_splits() for group, split in enumerate(path)]
    expected = [(group, split) for split, chosen in enumerate(plan.tested()) for group in chosen]
    assert sorted(taken) == sorted(expected)


@pytest.mark.parametrize(
    ("purge", "embargo", "tested", "stretches"),
    [
        pytest.param(0, 0, (1, 3), [(0, 4), (8, 12), (16, 24)], id="plain"),
        pytest.param(1, 0, (1, 3), [(0, 3), (9, 11), (17, 24)], id="purged-on-both-sides"),
        pytest.param(1, 2, (1, 3), [(0, 3), (19, 24)], id="the-embargo-eats-what-lies-between"),
        pytest.param(1, 1, (1, 2), [(0, 3), (14, 24)], id="neighbours"),
        pytest.param(1, 1, (0, 5), [(6, 19)], id="both-ends"),
    ],
)
def test_what_purge_and_embargo_leave_to_train_on(
    purge: int, embargo: int, tested: tuple[int, ...], stretches: list[tuple[int, int]]
) -> None:
    """24 sessions in six groups of four: group 1 holds sessions 4 to 7, group 3 sessions 12 to 15."""
    found = CombinatorialPlan(6, 2, purge, embargo).training(24, tested)
    assert [(one.start, one.stop) for one in found] == stretches


def test_a_purge_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no session to train on"):
        CombinatorialPlan(3, 2, purge=9).training(24, (0, 2))


@pytest.mark.parametrize(("groups", "tested"), [(2, 2), (6, 0), (1, 1)])
def test_impossible_splits_are_refused(groups: int, tested: int) -> None:
    with pytest.raises(InvalidInput, match="No split has"):
        CombinatorialPlan(groups, tested)
