"""The search for leaks: attacks where they are likely to show, then the earliest session that is wrong."""

from collections.abc import Callable

import numpy as np

from investlab.backtest.decisions import changed_rows
from investlab.backtest.lookahead_attacks import (
    CUT,
    EVERY_ATTACK,
    LATER_KNOWN,
    NOISE,
    OTHER_FUTURES,
    Attack,
    one_field,
    spikes,
    with_gaps,
)
from investlab.backtest.lookahead_cuts import action_cuts, choose_cuts, event_cuts, figure_cuts, gap_cuts
from investlab.backtest.lookahead_runs import Base, Hit, Runs
from investlab.market.panel_changes import from_session

COMB_STEPS = (23, 127)
SUSPECTS = 3
SCAN_BACK = 30
FIRST_ROWS, FIRST_EVENTS, WEEK = 6, 8, 5
STARTS = 4

_START_LATER = Attack("start later", lambda panel, cut, rng: from_session(panel, cut))
_MAKE_GAPS = Attack("make gaps", lambda panel, cut, rng: with_gaps(panel, rng))

Search = Callable[[Runs, Base, int], Hit | None]


def find_leak(runs: Runs, base: Base, cuts: int) -> Hit | None:
    """Return a leak, None when no search finds one; the cheap and telling searches come first."""
    if len(base.panel.sessions) < 2:
        return None
    searches: tuple[Search, ...] = (_everywhere, _at_cuts, _at_events, _in_gaps, _with_spikes)
    for search in searches:
        hit = search(runs, base, cuts)
        if hit is not None:
            return hit
    return None


def _everywhere(runs: Runs, base: Base, cuts: int) -> Hit | None:
    """Try every attack at the middle and before the last session."""
    last = len(base.panel.sessions) - 2
    return runs.first_hit(base, EVERY_ATTACK, dict.fromkeys((last, last // 2)))


def _at_cuts(runs: Runs, base: Base, cuts: int) -> Hit | None:
    """Cut the future at chosen sessions, and give each another future in turn."""
    chosen = choose_cuts(base.panel, np.random.default_rng([runs.seed, 1]), cuts)
    for number, cut in enumerate(chosen):
        hit = runs.first_hit(base, (OTHER_FUTURES[number % len(OTHER_FUTURES)], CUT), (cut,))
        if hit is not None:
            return hit
    return None


def _at_events(runs: Runs, base: Base, cuts: int) -> Hit | None:
    """Let corporate actions, delistings and figures be known later, or never, where they become known."""
    for kind, events in (("actions", action_cuts(base.panel)), ("figures", figure_cuts(base.panel))):
        attacks = [attack for attack in LATER_KNOWN if attack.attacked == kind]
        hit = runs.first_hit(base, attacks, spread_out(events, max(cuts // 3, 1)))
        if hit is not None:
            return hit
    return None


def _in_gaps(runs: Runs, base: Base, cuts: int) -> Hit | None:
    """Make gaps in the prices and attack the future from inside them, which tells filling back from carrying on."""
    panel = with_gaps(base.panel, np.random.default_rng([runs.seed, 2]))
    wanted = runs.run(panel, _MAKE_GAPS, panel.last_session)
    if wanted is None:
        return None
    chosen = spread_out(gap_cuts(panel), max(cuts // 8, 2))
    return runs.first_hit(Base(panel, wanted, "on prices with gaps"), (NOISE, CUT), chosen)


def _with_spikes(runs: Runs, base: Base, cuts: int) -> Hit | None:
    """Change one session in a few at once and follow up where a decision changes just before a changed session.

    A strategy with a short memory is back at its old decisions before the next changed session comes, so one run
    looks at many sessions; whether a suspect is one is decided by an attack on its future alone.
    """
    rng = np.random.default_rng([runs.seed, 3])
    for step in COMB_STEPS:
        offsets = rng.permutation(step)[: max(cuts // 3, 1)]
        for offset in offsets.tolist():
            attack = spikes(step, offset)
            for cut in _suspects(runs, base, attack, step, offset):
                hit = runs.attack(base, attack, cut)
                if hit is not None:
                    return hit
    return None


def _suspects(runs: Runs, base: Base, attack: Attack, step: int, offset: int) -> list[int]:
    changed_panel = attack.apply(base.panel, -1, np.random.default_rng(0))
    found = None if changed_panel is None else runs.run(changed_panel, attack, base.panel.first_session)
    if found is None:
        return []
    changed = changed_rows(base.wanted, found)
    suspects = []
    for tooth in range(offset, len(changed), step):
        since = max(tooth - step, 0)
        if tooth > 0 and changed[tooth - 1] and not changed[since:tooth].all():
            suspects.append(tooth - 1)
    return suspects[:SUSPECTS]


def earliest(runs: Runs, hit: Hit) -> Hit:
    """Return the hit with the earliest wrong session: halving first, then session by session backward.

    A leak that showed under another future is followed with other futures alone: on the panel as it is that decision
    is wrong, whereas a cut may also change decisions that only depend on where the panel ends.
    """
    tries = _same_kind(hit)
    events = [cut for cut in event_cuts(hit.base.panel).tolist()[:FIRST_EVENTS] if cut < hit.row]
    best = runs.first_hit(hit.base, tries, [*range(min(hit.row, FIRST_ROWS)), *events]) or hit
    low = FIRST_ROWS if best is hit else 0
    while low < best.row:
        middle = (low + best.row) // 2
        earlier = runs.first_hit(best.base, tries[:3], range(middle, max(middle - WEEK, -1), -1))
        low, best = (middle + 1, best) if earlier is None else (low, earlier)
    place = best.row - 1
    while place >= max(best.row - SCAN_BACK, 0):
        turn = place % len(tries)
        best = runs.first_hit(best.base, dict.fromkeys((tries[0], tries[turn])), (place,)) or best
        place = min(place, best.row) - 1
    return best


def _same_kind(hit: Hit) -> tuple[Attack, ...]:
    if hit.attack is CUT:
        return (CUT,)
    return (hit.attack,) if hit.attack in LATER_KNOWN else tuple(dict.fromkeys((hit.attack, *OTHER_FUTURES[:3])))


def fields_attacked(runs: Runs, hit: Hit) -> tuple[str, ...]:
    """Return the fields of which a change alone, after the same session, changes decisions up to it."""
    panel = hit.base.panel
    found = [name for name in panel.fields if any(_shows(runs, hit, attack) for attack in one_field(name))]
    if any(_shows(runs, hit, attack) for attack in LATER_KNOWN if attack.attacked == "actions"):
        found.append("actions")
    if not found and hit.attack.attacked == "sessions":
        found.append("sessions")
    return tuple(found)


def _shows(runs: Runs, hit: Hit, attack: Attack) -> bool:
    return runs.attack(hit.base, attack, hit.cut) is not None


def warm_up(runs: Runs, base: Base) -> int | None:
    """Return how many sessions of history it takes until decisions do not depend on where the panel starts.

    The panel is started later, at a few seeded sessions, and the last decision that changes is looked for; None where
    decisions still change in the last tenth of the panel.
    """
    rows = len(base.panel.sessions)
    rng = np.random.default_rng([runs.seed, 4])
    starts = sorted({int(start) for start in rng.integers(max(rows // 20, 1), max(rows // 2, 2), STARTS)})
    needed = 0
    for start in starts:
        shorter = from_session(base.panel, start)
        found = runs.run(shorter, _START_LATER, shorter.first_session)
        if found is None:
            continue
        changed = np.flatnonzero(changed_rows({name: each[start:] for name, each in base.wanted.items()}, found))
        if len(changed) and changed[-1] >= 0.9 * (rows - start):
            return None
        needed = max(needed, int(changed[-1]) + 1 if len(changed) else 0)
    return needed


def reacts(runs: Runs, base: Base) -> bool:
    """Say whether other prices from the second session on change any decision."""
    found = None
    for attack in OTHER_FUTURES[:3]:
        other = attack.apply(base.panel, 0, np.random.default_rng([runs.seed, 5]))
        found = None if other is None else runs.run(other, attack, base.panel.first_session)
        if found is not None and changed_rows(base.wanted, found).any():
            return True
    return found is None


def spread_out(places: np.ndarray, count: int) -> list[int]:
    """Return up to `count` of the places, evenly chosen from first to last."""
    if len(places) <= count:
        return [int(place) for place in places]
    return [int(places[number]) for number in np.linspace(0, len(places) - 1, count).astype(np.int64)]
