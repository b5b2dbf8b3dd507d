"""The end of a panel: its last sessions with the corporate actions that take effect among them."""

from dataclasses import replace

from investlab.market.actions import ActionTable
from investlab.market.panel import PricePanel, read_only


def tail(panel: PricePanel, first_row: int) -> PricePanel:
    """Return a panel from a row on; actions and delistings move with their sessions.

    Those before its second session are left out, as everywhere: nothing was held, and no price stood, before it.
    """
    table = panel.actions
    kept = table.session > first_row
    return replace(
        panel,
        sessions=panel.sessions[first_row:],
        fields={name: read_only(values[first_row:]) for name, values in panel.fields.items()},
        actions=ActionTable(
            table.session[kept] - first_row, table.column[kept], table.split_ratio[kept], table.dividend[kept]
        ),
        delistings=panel.delistings.after(first_row),
        id="",
    )
