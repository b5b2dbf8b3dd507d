"""Predictors: scores, and why, from a model's artifact."""

from typing import Protocol, cast

import numpy as np

from investlab.core.errors import Corrupt, InvalidInput
from investlab.core.extensions import PREDICTORS, load_extension
from investlab.schemas.registry import ArtifactFormat, InputSignature


class Predictor(Protocol):
    """Scores rows (n × features, float64, finite, in the signature's order); higher means a higher expected return.

    What a row gets never depends on the other rows, to the bit; all methods may be called from several threads.
    """

    signature: InputSignature

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the score of each row (n)."""
        ...

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return what each feature adds to each score (n × features); with the baseline they sum to it."""
        ...

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        """Return the score that a row gets before any feature counts (n)."""
        ...


class PredictorKind(Protocol):
    """What an artifact format's extension is: it builds predictors from bytes."""

    def load(self, content: bytes, signature: InputSignature) -> Predictor:
        """Return the predictor in an artifact.

        Raises:
            Corrupt: The bytes are no artifact of this format and signature.
        """
        ...


def load_predictor(content: bytes, artifact_format: ArtifactFormat | str, signature: InputSignature) -> Predictor:
    """Return the predictor in an artifact.

    Raises:
        NotFound: Nothing installed reads the format.
        Corrupt: The bytes are damaged or do not fit the signature.
    """
    return predictor_kind(artifact_format).load(content, signature)


def predictor_kind(artifact_format: ArtifactFormat | str) -> PredictorKind:
    """Return what reads an artifact format.

    Raises:
        NotFound: Nothing installed reads it.
    """
    return cast("PredictorKind", load_extension(PREDICTORS, str(artifact_format)))


def require_rows(rows: np.ndarray, signature: InputSignature) -> np.ndarray:
    """Return rows as C-ordered float64 after checking that they fit a signature.

    Raises:
        InvalidInput: The shape is not n × features, or a value is not finite.
    """
    values = np.ascontiguousarray(rows, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(signature.features):
        raise InvalidInput(
            f"Rows of shape {values.shape} do not fit {len(signature.features)} features.",
            remedy=f"Give one column for each of {', '.join(signature.features)}.",
        )
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise InvalidInput(
            f"Row {row} has no finite {signature.features[column]}.", remedy="Leave out rows with unknown features."
        )
    return values


def require_utf8(content: bytes, what: str) -> str:
    """Return an artifact's text.

    Raises:
        Corrupt: The bytes are no UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Corrupt(f"The {what} is no text.", remedy="Restore the artifact from a backup.") from error
