"""The market page: candles, watchlist, paper portfolio and champion, live."""

from typing import Any

from investlab.views.desk import Desk


def page(desk: Desk) -> Any:
    """Return the page for one visitor."""
    return desk.market_page()
