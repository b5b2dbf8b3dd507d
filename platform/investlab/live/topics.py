"""Topics of the stream: their names, and patterns that mean every topic that begins alike."""

from collections.abc import Iterator

from investlab.core.errors import InvalidInput
from investlab.schemas.live import Quote

REPLAY = "replay"
PAPER_PORTFOLIO = "portfolio.paper"
MONITOR = "monitor.ic"
SYSTEM = "system"
CONNECTION = "connection"
"""What heartbeats and acknowledgements carry as their topic; it cannot be subscribed to."""

SUFFIX = ".*"


def quote_topic(quote: Quote) -> str:
    """Return the topic of an instrument's quotes in one dataset."""
    return f"quote.{quote.dataset}.{quote.instrument_id}"


def prediction_topic(model: str) -> str:
    """Return the topic of a model's predictions."""
    return f"prediction.{model}"


def require_pattern(text: str) -> str:
    """Return a topic or a pattern after checking that its only star ends it as `.*`.

    Raises:
        InvalidInput: The star stands elsewhere.
    """
    if "*" in text.removesuffix(SUFFIX):
        raise InvalidInput(f"The topic {text!r} has a star that does not end it.", remedy="Write it as `quote.*`.")
    return text


def matches(pattern: str, topic: str) -> bool:
    """Say whether a topic is the one named, or begins like a pattern that ends in `.*`."""
    if pattern.endswith(SUFFIX):
        return topic.startswith(pattern[:-1])
    return topic == pattern


def patterns_of(topic: str) -> Iterator[str]:
    """Give everything a subscriber can have asked for to receive this topic: itself, then patterns, shortest first."""
    yield topic
    at = topic.find(".")
    while at >= 0:
        yield f"{topic[:at]}{SUFFIX}"
        at = topic.find(".", at + 1)
