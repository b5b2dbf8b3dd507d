"""What is asked of recorded runs, read from one line of text such as `momentum tag:paper sharpe > 1`."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from pydantic import ValidationError

from investlab.core.clock import parse_as_of, parse_session
from investlab.core.errors import InvalidInput, NotFound
from investlab.schemas.ledger import RunQuery
from investlab.schemas.run_labels import Comparison, MetricCondition

HELP = (
    "Words that id, name, note, strategy or tags contain; tag:, strategy:, family:, dataset:, kind:, owner:, status:, "
    "since: with a value; archived:yes or archived:all; and conditions such as sharpe > 1 or total_return > 10%."
)
_REMEDY = 'Write it as in: momentum tag:paper since:2024-01-31 sharpe > 1 max_drawdown > -20% "two words".'
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<metric>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<comparison><=|>=|!=|==|<|>|=)\s*
        (?P<value>[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?%?)(?=\s|$)
    |(?P<key>[A-Za-z]+):(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))(?=\s|$)
    |"(?P<phrase>[^"]+)"(?=\s|$)
    |(?P<word>[^\s":<>=!]+)(?=\s|$)
    )""",
    re.VERBOSE,
)
_ARCHIVED: Mapping[str, bool | None] = {"no": False, "yes": True, "only": True, "all": None}
_HUNDRED = 100.0


def parse_query(text: str, **also: Any) -> RunQuery:
    """Return what a line asks for, together with `also`, fields of `RunQuery`; all of it must hold.

    Nothing of the line is ever evaluated: a condition is one metric, one comparison and one number.

    Raises:
        InvalidInput: Part of the line cannot be read.
        NotFound: It asks for a key that does not exist; near matches are named.
    """
    asked: dict[str, Any] = {"text": [], "tags": [], "conditions": []}
    for found in _tokens(text):
        _add(asked, found)
    for name, value in also.items():
        if name in ("text", "tags", "conditions"):
            asked[name].extend(value)
        elif value is not None or name == "archived":
            asked[name] = value
    try:
        return RunQuery.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(f"{first['loc'][0]}: {first['input']!r} cannot be used: {first['msg']}.") from error


def _tokens(text: str) -> Iterator[re.Match[str]]:
    place, whole = 0, text.strip()
    while place < len(whole):
        found = _TOKEN.match(whole, place)
        if found is None:
            raise InvalidInput(f"The query cannot be read from {whole[place:].strip()!r} on.", remedy=_REMEDY)
        yield found
        place = found.end()


def _add(asked: dict[str, Any], found: re.Match[str]) -> None:
    if found["metric"]:
        asked["conditions"].append(_condition(found))
    elif found["key"]:
        name, value = _field(found["key"].lower(), found["quoted"] or found["plain"] or "")
        if name == "tags":
            asked[name].append(value)
        else:
            asked[name] = value
    elif (found["word"] or "").lower() == "or":
        raise InvalidInput("A query holds conditions that must all be met; it knows no 'or'.", remedy=_REMEDY)
    elif (found["word"] or "").lower() != "and":
        asked["text"].append(found["phrase"] or found["word"])


def _condition(found: re.Match[str]) -> MetricCondition:
    digits = found["value"].replace("−", "-")
    value = float(digits.rstrip("%")) / (_HUNDRED if digits.endswith("%") else 1.0)
    comparison = Comparison.EQUAL if found["comparison"] == "==" else Comparison(found["comparison"])
    return MetricCondition(metric=found["metric"].lower(), comparison=comparison, value=value)


def _field(key: str, value: str) -> tuple[str, Any]:
    if key == "tag":
        return "tags", value
    read = _READ.get(key)
    if read is None:
        raise NotFound.named("key of a query", key, ["tag", *_READ], remedy=_REMEDY)
    return key, read(value)


def _archived(value: str) -> bool | None:
    if value.lower() not in _ARCHIVED:
        raise InvalidInput(f"archived:{value} is not understood.", remedy=f"Use one of {', '.join(_ARCHIVED)}.")
    return _ARCHIVED[value.lower()]


def parse_since(value: str | date | datetime | None) -> datetime | None:
    """Return the moment from which runs are listed; a bare date means the beginning of that day in UTC.

    Raises:
        InvalidInput: It is no date and no moment with a time zone.
    """
    if isinstance(value, str) and len(value) == len("2021-12-31"):
        value = parse_session(value, "since")
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time.min, tzinfo=UTC)
    return parse_as_of(value, "since")


_READ: Mapping[str, Callable[[str], Any]] = {
    "archived": _archived,
    "dataset": str,
    "family": str,
    "kind": str,
    "owner": str,
    "since": parse_since,
    "status": str,
    "strategy": str,
}
