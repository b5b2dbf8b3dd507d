"""Linear models as JSON: a weight for each feature and a bias."""

import json
from dataclasses import dataclass
from math import isfinite
from typing import NoReturn

import numpy as np

from investlab.core.errors import Corrupt, InvalidInput
from investlab.core.hashing import canonical_json
from investlab.ml.predictor import require_rows, require_utf8
from investlab.schemas.registry import InputSignature

FORMAT = "investlab-linear"
FORMAT_VERSION = 1
_KEYS = {"format", "format_version", "features", "weights", "bias"}


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """A linear model: score = bias + Σ weight × feature.

    Raises:
        InvalidInput: There is not one finite weight for each feature.
    """

    features: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not self.features or len(self.features) != len(self.weights):
            raise InvalidInput(
                f"{len(self.weights)} weights do not fit {len(self.features)} features.",
                remedy="Give one weight for each feature.",
            )
        if not all(map(isfinite, (*self.weights, self.bias))):
            raise InvalidInput("A weight is not finite.", remedy="Give finite numbers.")

    def to_bytes(self) -> bytes:
        """Return the artifact; equal weights give equal bytes, and floats are read back exactly."""
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "features": self.features,
            "weights": [float(weight) for weight in self.weights],
            "bias": float(self.bias),
        }
        return (canonical_json(content) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "LinearWeights":
        """Return the weights in an artifact.

        Raises:
            Corrupt: The bytes are not exactly such an artifact.
        """
        try:
            found = json.loads(require_utf8(content, "linear model"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _corrupt("it is no JSON") from error
        if not isinstance(found, dict) or found.keys() != _KEYS:
            raise _corrupt("its keys are others")
        if found["format"] != FORMAT or found["format_version"] != FORMAT_VERSION:
            raise _corrupt("its format is another")
        features, weights, bias = found["features"], found["weights"], found["bias"]
        if not (isinstance(features, list) and all(isinstance(name, str) for name in features)):
            raise _corrupt("its features are no names")
        if not (isinstance(weights, list) and all(type(number) is float for number in (*weights, bias))):
            raise _corrupt("its weights are no numbers")
        try:
            return cls(tuple(features), tuple(weights), bias)
        except InvalidInput as error:
            raise _corrupt("its weights do not fit its features") from error


@dataclass(frozen=True, slots=True)
class LinearPredictor:
    """Scores rows by a weighted sum, added up feature by feature, so that a row's bits never depend on the others."""

    signature: InputSignature
    model: LinearWeights

    @classmethod
    def load(cls, content: bytes, signature: InputSignature) -> "LinearPredictor":
        """Return the predictor in an artifact.

        Raises:
            Corrupt: The bytes are damaged or their features are not those of the signature.
        """
        model = LinearWeights.from_bytes(content)
        if model.features != signature.features:
            raise _corrupt("its features are not those of the version's signature")
        return cls(signature, model)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the score of each row (n), not finite where the values are too large."""
        parts = self.contributions(rows)
        total = self.baseline(rows)
        with np.errstate(over="ignore", invalid="ignore"):
            for column in range(parts.shape[1]):
                total += parts[:, column]
        return total

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return weight × feature (n × features)."""
        with np.errstate(over="ignore"):
            parts: np.ndarray = require_rows(rows, self.signature) * np.array(self.model.weights)
        return parts

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        """Return the bias for each row (n)."""
        return np.full(len(rows), self.model.bias, dtype=np.float64)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _corrupt(reason: str) -> Corrupt:
    return Corrupt(f"The linear model is damaged: {reason}.", remedy="Restore the artifact from a backup.")
