"""How a model did out of sample: its information coefficient session by session."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from investlab.analytics.information import mean_interval
from investlab.core.errors import Corrupt, InvalidInput
from investlab.core.hashing import canonical_json
from investlab.schemas.registry import Scorecard

FORMAT = "investlab-evaluation"
FORMAT_VERSION = 1
CONFIDENCE = 0.95
_KEYS = {"format", "format_version", "learner", "horizon_sessions", "panel_id", "folds", "sessions", "coefficients"}


@dataclass(frozen=True, slots=True)
class FoldReport:
    """What one fold was trained and tested on; `training_sessions` counts those that were sampled."""

    train_first: date
    train_last: date
    training_sessions: int
    test_first: date
    test_last: date
    information_coefficient: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's information coefficients on the sessions of every fold's test block, in session order.

    Every one comes of a model that was trained on sessions whose forward returns were known before the block began.

    Raises:
        InvalidInput: There is none, they are not finite, or sessions are not increasing.
    """

    learner: str
    horizon_sessions: int
    panel_id: str
    folds: tuple[FoldReport, ...]
    sessions: tuple[date, ...]
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.sessions or len(self.sessions) != len(self.coefficients):
            raise InvalidInput(
                f"{len(self.coefficients)} coefficients do not evaluate {len(self.sessions)} sessions.",
                remedy="Give one for each session, and at least one.",
            )
        if any(one >= two for one, two in zip(self.sessions, self.sessions[1:], strict=False)):
            raise InvalidInput("The sessions of an evaluation are not increasing.", remedy="Sort them.")
        if not all(-1.0 <= each <= 1.0 for each in self.coefficients) or self.horizon_sessions < 1:
            raise InvalidInput("A coefficient is not between −1 and 1, or the horizon is not positive.")

    @property
    def by_session(self) -> pd.Series:
        """Return the coefficients indexed by session."""
        index = pd.DatetimeIndex(np.array(self.sessions, dtype="datetime64[ns]"), name="session")
        return pd.Series(np.array(self.coefficients), index=index, name="information_coefficient")

    @property
    def scorecard(self) -> Scorecard:
        """Return the mean coefficient with its confidence interval, which never leaves −1 to 1."""
        found = mean_interval(np.array(self.coefficients), self.horizon_sessions, CONFIDENCE)
        return Scorecard(
            information_coefficient=found.mean,
            interval_low=max(found.low, -1.0),
            interval_high=min(found.high, 1.0),
            confidence=CONFIDENCE,
            observations=found.observations,
            effective_observations=found.effective_observations,
            first_session=self.sessions[0],
            last_session=self.sessions[-1],
            folds=len(self.folds),
        )

    def to_bytes(self) -> bytes:
        """Return the evaluation as JSON; equal evaluations give equal bytes, and floats are read back exactly."""
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "learner": self.learner,
            "horizon_sessions": self.horizon_sessions,
            "panel_id": self.panel_id,
            "folds": [{name: getattr(fold, name) for name in FoldReport.__slots__} for fold in self.folds],
            "sessions": self.sessions,
            "coefficients": self.coefficients,
        }
        return (canonical_json(content) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Evaluation":
        """Return the evaluation in its JSON.

        Raises:
            Corrupt: The bytes are not exactly such JSON.
        """
        try:
            found = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
            return _evaluation(found)
        except (ValueError, TypeError, KeyError, RecursionError, InvalidInput) as error:
            raise Corrupt("The stored evaluation is damaged.", remedy="Restore it from a backup.") from error


def _evaluation(content: object) -> Evaluation:
    found = _mapping(content, _KEYS)
    if found["format"] != FORMAT or found["format_version"] != FORMAT_VERSION:
        raise ValueError("the format is another")
    return Evaluation(
        learner=_text(found["learner"]),
        horizon_sessions=_whole(found["horizon_sessions"]),
        panel_id=_text(found["panel_id"]),
        folds=tuple(_fold(each) for each in found["folds"]),
        sessions=tuple(date.fromisoformat(each) for each in found["sessions"]),
        coefficients=tuple(_real(each) for each in found["coefficients"]),
    )


def _fold(content: object) -> FoldReport:
    found = _mapping(content, set(FoldReport.__slots__))
    days = {name: date.fromisoformat(found[name]) for name in ("train_first", "train_last", "test_first", "test_last")}
    return FoldReport(
        **days,
        training_sessions=_whole(found["training_sessions"]),
        information_coefficient=_real(found["information_coefficient"]),
    )


def _mapping(content: object, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(content, dict) or content.keys() != keys:
        raise ValueError("the keys are others")
    return content


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("no whole number")
    return value


def _real(value: object) -> float:
    if type(value) is not float or not isfinite(value):
        raise TypeError("no number")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
