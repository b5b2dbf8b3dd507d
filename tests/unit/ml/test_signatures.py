"""Rows are checked against the signature."""

import numpy as np
import pytest

from investlab.core.errors import InvalidInput
from investlab.ml.signatures import rows_from_request
from investlab.schemas.registry import InputSignature

SIGNATURE = InputSignature(features=("return_5", "return_21"), horizon_sessions=21)


def test_rows_come_in_the_signatures_order() -> None:
    rows = rows_from_request(SIGNATURE, [{"return_21": 2, "return_5": 1.0}, {"return_5": 3.0, "return_21": 4.0}])
    assert rows.dtype == np.float64
    assert rows.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_no_rows_are_no_error() -> None:
    assert rows_from_request(SIGNATURE, []).shape == (0, 2)


GOOD = {"return_5": 0.1, "return_21": 0.2}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"return_5": 0.1}, "Row 1 lacks the feature return_21", id="missing"),
        pytest.param(GOOD | {"<b>": 1.0}, "Row 1 has an unknown feature '<b>'", id="unknown"),
        pytest.param(GOOD | {"return_5": float("nan")}, "Row 1 has no finite return_5", id="not-finite"),
        pytest.param({}, "Row 1 lacks the feature return_5", id="empty"),
    ],
)
def test_the_first_bad_row_and_feature_are_named(row: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        rows_from_request(SIGNATURE, [GOOD, row, {}])
