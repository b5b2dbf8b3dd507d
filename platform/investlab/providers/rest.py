"""Reading JSON from a vendor's REST API with patience: limits are respected, passing failures are tried again."""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from investlab.core.errors import Busy, InvalidInput, InvalidSettings, InvestlabError, StorageUnavailable
from investlab.providers.patience import Patience

ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 120.0
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
LONGEST_MESSAGE = 200
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class Vendor:
    """Who is asked, with which headers, and what to do when it refuses them."""

    name: str
    headers: Mapping[str, str] = field(repr=False)
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Setback:
    """A failure that may pass; `wait_seconds` is what the vendor asks for."""

    reason: str
    wait_seconds: float | None = None
    is_limit: bool = False


class RestClient:
    """Asks a vendor for JSON; for one thread."""

    def __init__(self, vendor: Vendor, patience: Patience | None = None) -> None:
        self._vendor = vendor
        self._patience = patience or Patience()
        self._http = httpx.Client(headers={"Accept": "application/json", **vendor.headers}, timeout=TIMEOUT)
        weakref.finalize(self, self._http.close)  # a delivery is read for as long as somebody holds it

    def __repr__(self) -> str:
        return f"RestClient({self._vendor.name})"

    def get(self, url: str, parameters: Mapping[str, str]) -> Any:
        """Return the JSON of an answer.

        Raises:
            InvalidSettings: The vendor refuses the keys.
            InvalidInput: The vendor says that the question is wrong.
            Busy: The vendor's limit is used up for longer than is worth waiting.
            StorageUnavailable: The vendor gives no usable answer, tried again and again.
        """
        attempt = 1
        while True:
            outcome = self._try(url, parameters)
            if not isinstance(outcome, _Setback):
                return outcome
            wait = self._patience.wait_seconds(attempt, outcome.wait_seconds)
            if attempt == ATTEMPTS or wait > LONGEST_WAIT_SECONDS:
                raise self._given_up(outcome, wait)
            self._patience.pause(wait)
            attempt += 1

    def _try(self, url: str, parameters: Mapping[str, str]) -> Any:
        try:
            answer = self._http.get(url, params=dict(parameters))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _Setback(type(error).__name__)
        if answer.status_code == HTTPStatus.OK:
            try:
                return answer.json()
            except ValueError:
                return _Setback("an answer that is no JSON")
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            return _Setback("too many requests", self._asked_wait(answer), is_limit=True)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _Setback(f"status {answer.status_code}", self._asked_wait(answer))
        raise self._refusal(answer)

    def _asked_wait(self, answer: httpx.Response) -> float | None:
        """Return how long the vendor asks to wait, in either form of Retry-After, or until its limit is reset."""
        now = self._patience.clock.now()
        asked = answer.headers.get("Retry-After", "")
        if asked.isdigit():
            return float(asked)
        try:
            if asked:
                return max(0.0, (parsedate_to_datetime(asked) - now).total_seconds())
            reset = datetime.fromtimestamp(float(answer.headers["X-RateLimit-Reset"]), UTC)
        except (ValueError, KeyError, OverflowError, TypeError):
            return None
        return max(0.0, (reset - now).total_seconds())

    def _given_up(self, setback: _Setback, wait: float) -> InvestlabError:
        if setback.is_limit:
            return Busy(
                f"{self._vendor.name} allows no more requests for now.",
                remedy=f"Run it again in {wait:.0f} s; what was fetched is kept.",
            )
        return StorageUnavailable(
            f"{self._vendor.name} gives no usable answer: {setback.reason}.",
            remedy="Run it again when the network and the vendor are well; what was fetched is kept.",
        )

    def _refusal(self, answer: httpx.Response) -> InvestlabError:
        said = _message(answer)
        if answer.status_code in REFUSED:
            return InvalidSettings(
                f"{self._vendor.name} refuses the request with status {answer.status_code}{said}.",
                remedy=self._vendor.remedy,
            )
        return InvalidInput(
            f"{self._vendor.name} cannot answer this request: status {answer.status_code}{said}.",
            remedy="Check dataset, symbols and dates.",
        )


def _message(answer: httpx.Response) -> str:
    """Return what an error answer says, when it says it the usual way."""
    try:
        said = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    text = " ".join(str(said).split())[:LONGEST_MESSAGE].rstrip(".")
    return f" ({text})" if text else ""
