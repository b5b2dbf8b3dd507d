"""Signatures: what a model takes, checked against what a caller sends."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from investlab.core.errors import InvalidInput
from investlab.schemas.registry import InputSignature


def rows_from_request(signature: InputSignature, rows: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Return rows of features by name as n × features in the signature's order.

    Raises:
        InvalidInput: A row lacks a feature, has an unknown one or one that is not finite; the first such row and
            feature are named.
    """
    values = np.empty((len(rows), len(signature.features)))
    for number, row in enumerate(rows):
        _check_row(number, row, signature.features)
        values[number] = [row[name] for name in signature.features]
    return values


def _check_row(number: int, row: Mapping[str, float], expected: Sequence[str]) -> None:
    missing = [name for name in expected if name not in row]
    unknown = [name for name in row if name not in expected]
    if missing or unknown:
        said = f"lacks the feature {missing[0]}" if missing else f"has an unknown feature {unknown[0][:80]!r}"
        raise InvalidInput(
            f"Row {number} {said}.",
            remedy=f"Each row has exactly these features: {', '.join(expected)}.",
            details={"row": number, "missing": missing, "unknown": [name[:80] for name in unknown[:20]]},
        )
    for name in expected:
        if not isfinite(row[name]):
            raise InvalidInput(
                f"Row {number} has no finite {name}.",
                remedy="Leave out rows with unknown features.",
                details={"row": number, "feature": name},
            )
