"""Messages between hub, feeds and clients of the stream."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from investlab.schemas.errors import ErrorResponse
from investlab.schemas.market import Frozen, PriceBasis

Topic = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[a-z0-9][a-zA-Z0-9_.*-]*$")]
MAX_TOPICS = 256


class MessageKind(StrEnum):
    """What a frame from the hub is."""

    SNAPSHOT = "snapshot"
    UPDATE = "update"
    HEARTBEAT = "heartbeat"
    ERROR = "error"
    SUBSCRIBED = "subscribed"


class LiveMessage(Frozen):
    """A value of a topic; the publisher numbers a topic by (epoch, seq), and a new epoch means a snapshot."""

    kind: MessageKind
    topic: str
    epoch: str
    seq: int
    at: datetime
    payload: dict[str, Any]


class ErrorFrame(Frozen):
    """An error on the stream, in the platform's one shape."""

    kind: Literal[MessageKind.ERROR] = MessageKind.ERROR
    error: ErrorResponse


class LastSeen(Frozen):
    """The last message of a topic that a client has."""

    epoch: str = Field(max_length=128)
    seq: int = Field(ge=0)


class ClientFrame(Frozen):
    """What a client may send: subscribe (resuming after what it has), unsubscribe, or answer a heartbeat.

    A topic may end in `.*` to mean every topic that begins like it.
    """

    action: Literal["subscribe", "unsubscribe", "pong"]
    topics: tuple[Topic, ...] = Field((), max_length=MAX_TOPICS)
    last: dict[str, LastSeen] = Field(default_factory=dict, max_length=MAX_TOPICS)


class Quote(Frozen):
    """The latest price of an instrument, on its dataset's basis; `synthetic` ones say how they were made in `note`."""

    dataset: str
    instrument_id: int
    symbol: str
    session: date
    price: float
    previous_close: float | None
    change_pct: float | None
    basis: PriceBasis
    currency: str
    synthetic: bool
    note: str = ""


class ReplayStatus(StrEnum):
    """States of a replay pass; only one pass of a home is running."""

    RUNNING = "running"
    COMPLETED = "completed"


class ReplayPass(Frozen):
    """One walk of the session clock through the replayed sessions; `session` is the last one completed."""

    pass_id: str
    number: int
    dataset: str
    first_session: date
    last_session: date
    session: date | None
    status: ReplayStatus
    started_at: datetime
    updated_at: datetime


class ReplayState(Frozen):
    """Where the session clock stands, as topic `replay` and pages show it."""

    state: Literal["replay"] = "replay"
    pass_id: str
    pass_number: int
    session: date | None
    first_session: date
    last_session: date
    sessions_done: int
    sessions_total: int
    seconds_per_session: float


class PaperPortfolio(Frozen):
    """The paper portfolio at a session's close, as topic `portfolio.paper` shows it; synthetic quotes never mark it.

    `nav` and `drawdown` are the engine's on the scores recorded in this pass.
    """

    pass_id: str
    session: date
    dataset: str
    dataset_version: int
    basis: PriceBasis
    currency: str
    execution: str
    commission_bps: float
    slippage_bps: float
    initial_cash: float
    nav: float
    total_return: float
    drawdown: float
    benchmark_nav: float | None
    weights: dict[str, float]
    model: str
    model_version: int
    run_id: str


class ModelMonitor(Frozen):
    """How the predictions of a pass came true so far, as topic `monitor.ic` shows it; None until any matured."""

    pass_id: str
    session: date
    model: str
    matured_sessions: int
    mean_ic: float | None
    rolling_ic: float | None
    rolling_sessions: int
    horizon_sessions: int
