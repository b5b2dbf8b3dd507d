"""Errors have a code, a status, an exit code and a sentence with a remedy."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from investlab.core.errors import InvalidInput, InvestlabError, NotFound
from investlab.schemas.errors import error_response

AT = datetime(2024, 1, 2, tzinfo=UTC)


def kinds(root: type[InvestlabError] = InvestlabError) -> Iterator[type[InvestlabError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


def test_codes_are_unique() -> None:
    codes = [kind.code for kind in kinds()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: str(kind.code))
def test_every_kind_has_status_exit_code_and_title(kind: type[InvestlabError]) -> None:
    assert 400 <= kind.status < 600
    assert 0 < kind.exit_code < 126
    assert kind.title
    assert kind.__doc__


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: str(kind.code))
def test_every_kind_has_one_response_shape(kind: type[InvestlabError]) -> None:
    response = error_response(kind("It broke.", remedy="Mend it."), request_id="r1", instance="/x", at=AT)
    assert response.type == f"/problems/{kind.code}"
    assert (response.status, response.detail, response.request_id) == (kind.status, "It broke. Mend it.", "r1")


def test_an_unknown_name_names_its_near_matches() -> None:
    error = NotFound.named("symbol", "appl", ["AAPL", "MSFT", "XOM"])
    assert error.sentence == "Unknown symbol 'appl'. Did you mean AAPL?"
    assert error.details == {"near": ["AAPL"]}


def test_an_unknown_name_without_near_matches_names_what_is_known() -> None:
    assert NotFound.named("symbol", "QQQQ", ["AAPL", "MSFT"]).sentence.endswith("Known: AAPL, MSFT.")
    assert NotFound.named("symbol", "QQQQ", []).sentence == "Unknown symbol 'QQQQ'."


def test_an_error_can_cross_a_process() -> None:
    import pickle

    error = InvalidInput("Bad.", remedy="Mend.", details={"a": 1})
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.detail, again.remedy, again.details) == (InvalidInput, "Bad.", "Mend.", {"a": 1})
