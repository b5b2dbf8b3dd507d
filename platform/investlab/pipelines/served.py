"""The demo as an app: a prediction, three live updates and the dashboard page, each measured from outside."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from investlab.client.http import Client
from investlab.client.pages import PageWeight, page_weight
from investlab.core.clock import SystemClock
from investlab.schemas.live import LiveMessage
from investlab.schemas.serving import PredictResponse
from investlab.services.processes import Platform

UPDATES = 3
KIB = 1024


@dataclass(frozen=True, slots=True)
class Update:
    """One message of the stream, and how long after its publication it was here."""

    message: LiveMessage
    latency_seconds: float


@dataclass(frozen=True, slots=True)
class Visit:
    """What an app and a browser got from the platform."""

    response: PredictResponse
    first_seconds: float
    again_seconds: float
    updates: tuple[Update, ...]
    page: PageWeight

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each way of asking."""
        first = min(self.response.values, key=lambda score: score.rank)
        answer = self.response
        median = sorted(update.latency_seconds for update in self.updates)[len(self.updates) // 2]
        return [
            {
                "as an app": "POST /v1/predict",
                "answer": f"{answer.model}@{answer.model_version} ranks {first.symbol} first of {len(answer.values)}",
                "measured": f"{self.first_seconds * 1000:.0f} ms, again {self.again_seconds * 1000:.0f} ms",
            },
            {
                "as an app": "WS /v1/stream",
                "answer": ", ".join(update.message.topic for update in self.updates),
                "measured": f"{median * 1000:.1f} ms after publication",
            },
            {
                "as an app": "GET /market",
                "answer": f"{self.page.files} files, {len(self.page.foreign)} of other hosts",
                "measured": f"{self.page.wire_bytes / KIB:,.0f} KiB compressed",
            },
        ]

    def envelope_rows(self) -> list[dict[str, Any]]:
        """Return the answer envelope of the prediction, as one row."""
        answer, fresh = self.response, self.response.fresh
        first = min(answer.values, key=lambda score: score.rank)
        reasons = sorted(first.contributions.items(), key=lambda item: -abs(item[1]))[:2]
        return [
            {
                "best": f"{first.symbol} (score {first.score:+.4f}: "
                + ", ".join(f"{name} {value:+.4f}" for name, value in reasons)
                + ")",
                "as_of": None if answer.as_of is None else f"{answer.as_of:%Y-%m-%d %H:%M} UTC",
                "dataset_version": answer.dataset_version,
                "model": f"{answer.model}@{answer.model_version}",
                "run_id": answer.run_id,
                "fresh": None if fresh is None else f"{fresh.state}, {fresh.age_sessions} sessions old",
                "prediction_id": answer.prediction_id,
                "request_id": answer.request_id,
            }
        ]


def visit(platform: Platform, symbols: Sequence[str], dataset: str) -> Visit:
    """Ask for a prediction, read three updates of the dataset's quotes and load the page; then leave.

    Raises:
        InvestlabError: The platform answered with an error.
    """
    clock = SystemClock()
    with Client(platform.gateway_url, platform.token) as app:
        started = time.perf_counter()
        app.predict(symbols=symbols)
        answered = time.perf_counter()
        response = app.predict(symbols=symbols)
        ended = time.perf_counter()
        updates = tuple(
            Update(message, (clock.now() - message.at).total_seconds())
            for message in islice(app.updates([f"quote.{dataset}.*"]), UPDATES)
        )
    return Visit(response, answered - started, ended - answered, updates, page_weight(platform.page_url))
