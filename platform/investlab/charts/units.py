"""Numbers and times as people read them: signs, thousands separators, units, and – for what is not known."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime

MISSING = "–"
MINUS = "−"


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number with thousands separators; what rounds to zero carries no sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{abs(value):,.{digits}f}"
    if float(text.replace(",", "")) == 0.0:
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed else text


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a fraction as a percentage: 0.1234 is `12.3%`."""
    return f"{number(value * 100, digits, signed=signed)}%" if value is not None and _finite(value) else MISSING


def likelihood(probability: float | None) -> str:
    """Return a probability that never reads as certainty: `> 99.9%` where it would round to 100%."""
    if probability is not None and probability > 0.999:
        return "> 99.9%"
    return "< 0.1%" if probability is not None and probability < 0.001 else percent(probability)


def times(value: float | None, digits: int = 2) -> str:
    """Return a multiple: 1.5 is `1.50×`."""
    return f"{number(value, digits)}×" if _finite(value) else MISSING


def money(value: float | None, currency: str, digits: int = 0) -> str:
    """Return an amount with its currency code before it: `USD 12,345`."""
    return f"{currency}\u00a0{number(value, digits)}" if _finite(value) else MISSING


def count(value: int, noun: str, plural: str = "") -> str:
    """Return how many there are of something: `1 fill`, `1,234 fills`."""
    return f"{value:,}\u00a0{noun if value == 1 else plural or noun + 's'}"


def day(session: date) -> str:
    """Return a session's date, such as `2021-12-31`."""
    return f"{session:%Y-%m-%d}"


def moment(at: datetime | None) -> str:
    """Return a time in UTC to the minute."""
    return MISSING if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def short_hash(text: str | None, digits: int = 12) -> str:
    """Return the first digits of a hash or identifier, keeping a prefix such as `pn-`."""
    if not text:
        return MISSING
    prefix, dash, rest = text.rpartition("-")
    return f"{prefix}{dash}{rest[:digits]}"


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence lists them: `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
