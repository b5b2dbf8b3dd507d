"""The client that apps use: predictions, records and the live stream of a gateway."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Self

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from investlab.client.failures import error_of_answer, unreachable
from investlab.client.stream import Stream
from investlab.core.errors import ExecutionFailed, InvalidInput
from investlab.schemas.gateway import RegisteredModel
from investlab.schemas.live import LastSeen, LiveMessage, MessageKind, PaperPortfolio, ReplayState
from investlab.schemas.serving import Health, PredictRequest, PredictResponse
from investlab.schemas.trace import Trace

TIMEOUT_SECONDS = 35.0
"""Longer than the gateway's own deadline, so that its answer arrives."""

STREAM_PATH = "/v1/stream"
FIRST_ERROR = 400
_MODELS = TypeAdapter(tuple[RegisteredModel, ...])


class Client:
    """Talks to a gateway with an access token; a context manager, for one thread.

    Every method raises the platform's own error when the gateway answers with one, and `ExecutionFailed` when it
    cannot be reached.
    """

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        features: Sequence[Mapping[str, float]] | None = None,
        *,
        symbols: Sequence[str] | None = None,
        as_of: date | datetime | None = None,
    ) -> PredictResponse:
        """Return the scores of rows of features, or of symbols whose features the platform builds.

        Raises:
            InvalidInput: Neither or both are given, or the model takes other features.
            NotFound: A symbol is unknown; near matches are named.
            ModelUnavailable: No model version can answer now.
        """
        given = {"features": features, "symbols": symbols, "as_of": as_of}
        try:
            request = PredictRequest.model_validate(given)
        except ValidationError as error:
            raise InvalidInput(f"{_first_problem(error)}.") from error
        return self._ask("POST", "/v1/predict", PredictResponse, content=request.model_dump_json(exclude_none=True))

    def health(self) -> Health:
        """Say whether the gateway can answer, and with which model version."""
        return self._ask("POST", "/v1/health", Health, content="{}")

    def models(self) -> tuple[RegisteredModel, ...]:
        """List the registered models with their versions, ordered by name."""
        return _MODELS.validate_json(self._fetch("GET", "/v1/models").content)

    def trace(self, record_id: str) -> Trace:
        """Return what a prediction, a model version, a run or any other record stands on.

        Raises:
            NotFound: Nothing has that id.
        """
        return self._ask("GET", f"/v1/trace/{_segment(record_id)}", Trace)

    def replay(self) -> ReplayState:
        """Return where the session clock stands.

        Raises:
            NotFound: No session was replayed yet.
        """
        return self._ask("GET", "/v1/replay", ReplayState)

    def portfolio(self) -> PaperPortfolio:
        """Return the paper portfolio at the latest replayed close.

        Raises:
            NotFound: There is none yet.
        """
        return self._ask("GET", "/v1/portfolio", PaperPortfolio)

    def stream(self, topics: Sequence[str], *, last: Mapping[str, LastSeen] | None = None) -> Stream:
        """Return the stream of some topics: iterate over it for snapshots and updates.

        A topic may end in `.*`. Lost connections are opened again and resumed. `last` resumes what was seen before.
        """
        return Stream(f"ws{self.url.removeprefix('http')}{STREAM_PATH}", self._token, topics, last or {})

    def updates(self, topics: Sequence[str]) -> Iterator[LiveMessage]:
        """Give the updates of some topics that are published from now on, without the snapshots before them."""
        return (message for message in self.stream(topics) if message.kind is MessageKind.UPDATE)

    def _ask[Answer: BaseModel](
        self, method: str, path: str, kind: type[Answer], *, content: str | None = None
    ) -> Answer:
        answer = self._fetch(method, path, content)
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            raise ExecutionFailed(
                f"The answer to {path} is no {kind.__name__}.", remedy="Use a client of the gateway's version."
            ) from error

    def _fetch(self, method: str, path: str, content: str | None = None) -> httpx.Response:
        headers: dict[str, Any] = {} if content is None else {"Content-Type": "application/json"}
        try:
            answer = self._http.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        if answer.status_code >= FIRST_ERROR:
            raise error_of_answer(answer.status_code, answer.content)
        return answer


def _segment(text: str) -> str:
    """Return text that stays one segment of a path."""
    return "".join(letter if letter.isalnum() or letter in "@._-" else f"%{ord(letter):02X}" for letter in text)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{place}: {message}" if place else message.capitalize()
