"""Panels made from panels: fewer sessions at either end, or other values in the same place."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from investlab.market.actions import ActionTable
from investlab.market.delistings import DelistingTable
from investlab.market.panel import PricePanel, read_only


def first_sessions(panel: PricePanel, count: int) -> PricePanel:
    """Return the panel as it was at the close of its session number `count` (1 to all of them)."""
    return replace(
        panel,
        sessions=panel.sessions[:count],
        fields={name: read_only(values[:count]) for name, values in panel.fields.items()},
        actions=actions_before(panel.actions, count),
        delistings=delistings_before(panel.delistings, count),
        id="",
    )


def from_session(panel: PricePanel, row: int) -> PricePanel:
    """Return the panel without the sessions before a row; actions on its new first session are in its prices."""
    kept = panel.actions.session > row
    moved = ActionTable(
        panel.actions.session[kept] - row,
        panel.actions.column[kept],
        panel.actions.split_ratio[kept],
        panel.actions.dividend[kept],
    )
    return replace(
        panel,
        sessions=panel.sessions[row:],
        fields={name: read_only(values[row:]) for name, values in panel.fields.items()},
        actions=moved,
        delistings=panel.delistings.after(row),
        id="",
    )


def with_fields(panel: PricePanel, fields: Mapping[str, np.ndarray]) -> PricePanel:
    """Return the panel with other values for some fields (sessions × instruments)."""
    changed = {name: read_only(values) for name, values in fields.items()}
    return replace(panel, fields={**panel.fields, **changed}, id="")


def with_events(panel: PricePanel, actions: ActionTable, delistings: DelistingTable) -> PricePanel:
    """Return the panel with other corporate actions and delistings."""
    return replace(panel, actions=actions, delistings=delistings, id="")


def actions_before(table: ActionTable, row: int) -> ActionTable:
    """Return the corporate actions on sessions before a row."""
    kept = table.session < row
    return ActionTable(table.session[kept], table.column[kept], table.split_ratio[kept], table.dividend[kept])


def delistings_before(table: DelistingTable, row: int) -> DelistingTable:
    """Return the delistings on sessions before a row."""
    kept = table.session < row
    return DelistingTable(table.session[kept], table.column[kept], table.returns[kept])


def delayed_actions(table: ActionTable, row: int, sessions: int) -> ActionTable:
    """Return the actions with those from a row on one session later; one delayed past the end is left out.

    Two that come to lie on one session keep their order by (session, column), since all from the row on move alike.
    """
    moved = np.where(table.session >= row, table.session + 1, table.session)
    kept = moved < sessions
    return ActionTable(moved[kept], table.column[kept], table.split_ratio[kept], table.dividend[kept])


def delayed_delistings(table: DelistingTable, row: int, sessions: int) -> DelistingTable:
    """Return the delistings with those from a row on one session later; one delayed past the end is left out."""
    moved = np.where(table.session >= row, table.session + 1, table.session)
    kept = moved < sessions
    return DelistingTable(moved[kept], table.column[kept], table.returns[kept])
