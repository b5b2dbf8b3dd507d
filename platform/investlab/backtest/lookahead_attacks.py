"""Attacks on a panel: whatever comes after a session is cut off, changed or told later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from investlab.market.actions import ActionTable
from investlab.market.panel import PricePanel
from investlab.market.panel_changes import (
    actions_before,
    delayed_actions,
    delayed_delistings,
    delistings_before,
    first_sessions,
    with_events,
    with_fields,
)
from investlab.schemas.market import BAR_FIELDS, PRICE_FIELDS, PriceBasis

Fields = dict[str, np.ndarray]
Change = Callable[[Fields, np.random.Generator], Fields]
NEVER_TRADED = 7.0
"""The price given to an instrument that has had none so far."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A way to change what comes after a session; `apply` never touches a session up to the cut.

    `apply(panel, cut, rng)` returns the other panel, None where there is nothing to attack. `attacked` names what of
    the panel it changes.
    """

    name: str
    apply: Callable[[PricePanel, int, np.random.Generator], PricePanel | None]
    attacked: str = "every field"


def _cut(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel:
    return first_sessions(panel, cut + 1)


def _changed(change: Change, panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel:
    """Return the panel with another future: changed fields, and no actions, which would not fit the prices."""
    future = {name: values[cut + 1 :].copy() for name, values in panel.fields.items()}
    changed = change(future, rng)
    fields = {name: np.concatenate([panel.fields[name][: cut + 1], values]) for name, values in changed.items()}
    quiet = with_events(panel, actions_before(panel.actions, cut + 1), panel.delistings)
    return with_fields(quiet, fields)


def _attack(name: str, change: Change) -> Attack:
    return Attack(name, lambda panel, cut, rng: _changed(change, panel, cut, rng))


def _times(future: Fields, factor: np.ndarray, rng: np.random.Generator) -> Fields:
    """Scale prices by one factor, so that highs stay above lows, and every other field by a shuffled one."""
    changed = {}
    for name, values in future.items():
        changed[name] = values * (
            factor if name in PRICE_FIELDS else rng.permutation(factor.ravel()).reshape(factor.shape)
        )
    return changed


def _shape(future: Fields) -> tuple[int, int]:
    rows, columns = next(iter(future.values())).shape
    return rows, columns


def _scaled(future: Fields, rng: np.random.Generator) -> Fields:
    factor = rng.choice([0.2, 0.5, 2.0, 5.0], _shape(future)[1])
    return _times(future, np.broadcast_to(factor, _shape(future)), rng)


def _noisy(future: Fields, rng: np.random.Generator) -> Fields:
    """Change every value by itself, and let the instruments that end or pause go on."""
    filled = {}
    for name, values in future.items():
        known = ~np.isnan(values)
        level = np.where(
            known.any(axis=0), np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(0), 1), NEVER_TRADED
        )
        filled[name] = np.where(known, values, level)
    return _times(filled, np.exp(rng.normal(0.0, 0.3, _shape(future))), rng)


def _trending(future: Fields, rng: np.random.Generator) -> Fields:
    rows, columns = _shape(future)
    slope = rng.permutation(np.linspace(-4.0, 4.0, columns)) if columns > 1 else rng.choice([-4.0, 4.0], 1)
    return _times(future, np.exp(np.outer(np.arange(1, rows + 1) / rows, slope)), rng)


def _extreme(future: Fields, rng: np.random.Generator) -> Fields:
    return _times(future, rng.choice([1e-3, 1e3], _shape(future)), rng)


def _missing(future: Fields, rng: np.random.Generator) -> Fields:
    return {name: np.full(values.shape, np.nan) for name, values in future.items()}


def _shuffled(future: Fields, rng: np.random.Generator) -> Fields:
    order = rng.permutation(_shape(future)[0])
    return {name: values[order] for name, values in future.items()}


def _reversed(future: Fields, rng: np.random.Generator) -> Fields:
    return {name: values[::-1] for name, values in future.items()}


def _one_instrument(future: Fields, rng: np.random.Generator) -> Fields:
    factor = np.ones(_shape(future))
    factor[:, rng.integers(factor.shape[1])] = rng.choice([0.1, 10.0])
    return {name: values * factor for name, values in future.items()}


def _without_events(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel | None:
    actions, delistings = actions_before(panel.actions, cut + 1), delistings_before(panel.delistings, cut + 1)
    if len(actions) == len(panel.actions) and len(delistings) == len(panel.delistings):
        return None
    return with_events(panel, actions, delistings)


def _delayed_events(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel | None:
    if not (panel.actions.session > cut).any() and not (panel.delistings.session > cut).any():
        return None
    rows = len(panel.sessions)
    later = delayed_actions(panel.actions, cut + 1, rows)
    return with_events(panel, later, delayed_delistings(panel.delistings, cut + 1, rows))


def _delayed_figures(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel | None:
    figures = {name: values.copy() for name, values in panel.fields.items() if name not in BAR_FIELDS}
    for name, values in figures.items():
        values[cut + 1 :] = panel.fields[name][cut:-1]
    return with_fields(panel, figures) if figures else None


def _added_split(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel | None:
    if panel.basis is not PriceBasis.RAW:
        return None
    past = actions_before(panel.actions, cut + 1)
    column = int(rng.integers(panel.shape[1]))
    added = ActionTable(
        np.append(past.session, cut + 1),
        np.append(past.column, column),
        np.append(past.split_ratio, 4.0),
        np.append(past.dividend, 0.0),
    )
    return with_events(panel, added, panel.delistings)


CUT = Attack("cut the future", _cut, "sessions")
NOISE = _attack("change every later value", _noisy)
OTHER_FUTURES = (
    NOISE,
    _attack("scale the future", _scaled),
    _attack("let the future trend", _trending),
    _attack("make the future extreme", _extreme),
    _attack("remove later values", _missing),
    _attack("shuffle the future", _shuffled),
    _attack("reverse the future", _reversed),
    _attack("change one instrument's future", _one_instrument),
)
LATER_KNOWN = (
    Attack("delay known_at of corporate actions and delistings", _delayed_events, "actions"),
    Attack("delay known_at of figures", _delayed_figures, "figures"),
    Attack("remove later corporate actions and delistings", _without_events, "actions"),
    Attack("add a later split", _added_split, "actions"),
)
EVERY_ATTACK = (*OTHER_FUTURES, *LATER_KNOWN, CUT)


def one_field(name: str) -> tuple[Attack, ...]:
    """Return the attacks on one field alone."""

    def alone(change: Change) -> Callable[[PricePanel, int, np.random.Generator], PricePanel]:
        def apply(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel:
            changed = change({name: panel.fields[name][cut + 1 :].copy()}, rng)
            return with_fields(panel, {name: np.concatenate([panel.fields[name][: cut + 1], changed[name]])})

        return apply

    return tuple(
        Attack(f"{label} of {name}", alone(change), name)
        for label, change in (
            ("change later values", _noisy),
            ("trend", _trending),
            ("scale", _scaled),
            ("remove later values", _missing),
        )
    )


def spikes(step: int, offset: int) -> Attack:
    """Return the attack that changes one session in `step`, those whose number leaves the remainder `offset`."""

    def apply(panel: PricePanel, cut: int, rng: np.random.Generator) -> PricePanel | None:
        rows = np.arange(len(panel.sessions))
        hit = (rows > cut) & (rows % step == offset)
        if not hit.any():
            return None
        factor = np.exp(np.random.default_rng([step, offset]).choice([-0.4, 0.4], panel.shape))
        fields: Mapping[str, np.ndarray] = {
            name: np.where(hit[:, None], values * factor, values) for name, values in panel.fields.items()
        }
        return with_fields(panel, fields)

    return Attack(f"change one session in {step}", apply)


def with_gaps(panel: PricePanel, rng: np.random.Generator) -> PricePanel:
    """Return the panel with about one bar in thirty missing, in gaps of one to four sessions, none at the start."""
    rows, columns = panel.shape
    begins = rng.random((rows, columns)) < 1.0 / 75.0
    begins[:2] = False
    lengths = rng.integers(1, 5, (rows, columns))
    gone = np.zeros((rows, columns), dtype=np.bool_)
    for later in range(4):
        gone[later:] |= (begins & (lengths > later))[: rows - later]
    quiet = with_events(panel, ActionTable.empty(), panel.delistings)
    return with_fields(quiet, {name: np.where(gone, np.nan, values) for name, values in panel.fields.items()})
