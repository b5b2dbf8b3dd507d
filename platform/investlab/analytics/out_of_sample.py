"""Which sessions train and which test: walk-forward windows, and combinatorial purged cross-validation.

Sources: Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd edition, Wiley 2008, chapter 11 (walk
forward); López de Prado, "Advances in Financial Machine Learning", Wiley 2018, chapter 7 (purging and embargo) and
chapter 12 (combinatorial purged cross-validation).
"""

from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb

from investlab.analytics.splits import Fold
from investlab.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class WalkForwardPlan:
    """How long windows are, in sessions.

    The gap between the end of training and the start of the test is `purge` + `embargo`: purge is how long the outcome
    of a decision takes to show, embargo what is left out beyond it. `anchored` windows train from the first session on.

    Raises:
        InvalidInput: `train` or `test` is below two sessions, or a gap is negative.
    """

    train: int
    test: int
    anchored: bool = False
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        if self.train < 2 or self.test < 2 or self.purge < 0 or self.embargo < 0:
            raise InvalidInput(
                f"No window has train={self.train}, test={self.test}, purge={self.purge}, embargo={self.embargo}.",
                remedy="Give at least two sessions to train and to test on, and no negative purge or embargo.",
            )

    @property
    def gap(self) -> int:
        """Return the sessions between training and test."""
        return self.purge + self.embargo

    def folds(self, sessions: int) -> tuple[Fold, ...]:
        """Return the windows in their order; tests follow each other without overlap or hole.

        Raises:
            InvalidInput: There are too few sessions for one window.
        """
        first = self.train + self.gap
        count = (sessions - first) // self.test
        if count < 1:
            raise InvalidInput(
                f"{sessions} sessions are too few for one window.",
                remedy=f"Use a longer panel or shorter windows: {first + self.test} sessions are needed.",
            )
        starts = [first + number * self.test for number in range(count)]
        return tuple(Fold(self._training(start), range(start, start + self.test)) for start in starts)

    def leftover(self, sessions: int) -> int:
        """Return how many sessions at the end are too few for another window and are not tested."""
        return (sessions - self.train - self.gap) % self.test

    def _training(self, start: int) -> range:
        stop = start - self.gap
        return range(0 if self.anchored else stop - self.train, stop)


@dataclass(frozen=True, slots=True)
class CombinatorialPlan:
    """How many groups the sessions are cut into, and how many of them each split tests.

    From training, `purge` sessions are left out before and after each test group, and `embargo` more after it.

    Raises:
        InvalidInput: The groups cannot be split so, or purge or embargo is negative.
    """

    groups: int = 6
    test_groups: int = 2
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.test_groups < self.groups or self.purge < 0 or self.embargo < 0:
            raise InvalidInput(
                f"No split has groups={self.groups}, test_groups={self.test_groups}, purge={self.purge}, "
                f"embargo={self.embargo}.",
                remedy="Give at least two groups, fewer of them to test than there are, and no negative gap.",
            )

    @property
    def splits(self) -> int:
        """Return the number of splits, C(N, k)."""
        return comb(self.groups, self.test_groups)

    @property
    def paths(self) -> int:
        """Return the number of paths, φ = k / N · C(N, k)."""
        return self.splits * self.test_groups // self.groups

    def tested(self) -> tuple[tuple[int, ...], ...]:
        """Return the groups that each split tests, in lexical order."""
        return tuple(combinations(range(self.groups), self.test_groups))

    def path_splits(self) -> tuple[tuple[int, ...], ...]:
        """Return for each path the split that each group is taken from: the j-th path takes the j-th that tests it."""
        taken = self.tested()
        by_group = [[split for split, groups in enumerate(taken) if group in groups] for group in range(self.groups)]
        return tuple(tuple(splits[path] for splits in by_group) for path in range(self.paths))

    def borders(self, sessions: int) -> tuple[range, ...]:
        """Return the groups: group g holds sessions g·n // N up to (g + 1)·n // N.

        Raises:
            InvalidInput: A group would have fewer than two sessions.
        """
        if sessions < 2 * self.groups:
            raise InvalidInput(
                f"{sessions} sessions are too few for {self.groups} groups.",
                remedy=f"Use a longer panel or fewer groups: {2 * self.groups} sessions are needed.",
            )
        edges = [group * sessions // self.groups for group in range(self.groups + 1)]
        return tuple(range(start, stop) for start, stop in pairwise(edges))

    def training(self, sessions: int, tested: tuple[int, ...]) -> tuple[range, ...]:
        """Return the stretches of sessions that a split trains on, ascending.

        Raises:
            InvalidInput: Purge and embargo leave fewer than two sessions.
        """
        groups = self.borders(sessions)
        stretches: list[range] = []
        start = 0
        for group in tested:
            stretches.append(range(start, max(start, groups[group].start - self.purge)))
            start = max(start, groups[group].stop + self.purge + self.embargo)
        stretches.append(range(min(start, sessions), sessions))
        if sum(map(len, stretches)) < 2:
            raise InvalidInput(
                f"Purge and embargo leave no session to train on when groups {tested} are tested.",
                remedy="Use a longer panel, fewer groups, or a shorter purge.",
            )
        return tuple(stretch for stretch in stretches if stretch)
