"""Walk-forward splits whose training labels never reach into the sessions they are tested on.

Source: López de Prado, "Advances in Financial Machine Learning", Wiley 2018, chapter 7: the label of session *t* spans
*t* to *t + horizon*, so sessions whose label touches the test block are purged from training.
"""

from dataclasses import dataclass

from investlab.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Fold:
    """Positions of sessions to train on, all earlier than those to test on."""

    train: range
    test: range


def purged_walk_forward(
    sessions: range, *, folds: int, horizon_sessions: int, embargo_sessions: int = 0
) -> tuple[Fold, ...]:
    """Return expanding-window folds over positions of labelled sessions.

    `sessions` is cut into folds + 1 blocks of equal size (the last takes the rest). Block *i* is tested by what was
    trained on all sessions before it whose labels end, with the embargo added, before its first session.

    Raises:
        InvalidInput: A number is out of range, or the first block is too short for any label to end within it.
    """
    if folds < 1 or horizon_sessions < 1 or embargo_sessions < 0 or sessions.step != 1:
        raise InvalidInput(
            f"No split has folds={folds}, horizon_sessions={horizon_sessions}, embargo_sessions={embargo_sessions}.",
            remedy="Give at least one fold, a horizon of at least one session and no negative embargo.",
        )
    size = len(sessions) // (folds + 1)
    gap = horizon_sessions + embargo_sessions
    if size <= gap:
        raise InvalidInput(
            f"{len(sessions)} labelled sessions are too few for {folds} folds with a horizon of {horizon_sessions}.",
            remedy=f"Use a longer panel, fewer folds or a shorter horizon: {(gap + 1) * (folds + 1)} are needed.",
        )
    starts = [sessions.start + size * number for number in range(1, folds + 1)]
    stops = [*starts[1:], sessions.stop]
    return tuple(
        Fold(range(sessions.start, start - gap), range(start, stop)) for start, stop in zip(starts, stops, strict=True)
    )
