"""What people call a run, and what they ask of its metrics."""

import operator
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from investlab.schemas.market import Frozen

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\s,:\"]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)]


class RunLabels(Frozen):
    """Name, tags and note of a run; None leaves what there is, an empty text or tuple takes it away.

    A tag is one word without comma, colon or quotation mark; tags are kept once each, in order.
    """

    name: Name | None = None
    tags: tuple[Tag, ...] | None = None
    note: Note | None = None

    @field_validator("tags")
    @classmethod
    def _once_each(cls, tags: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if tags is None else tuple(sorted(set(tags)))

    @property
    def given(self) -> dict[str, Any]:
        """Return what is to be set, by field."""
        return self.model_dump(exclude_none=True)


UNLABELLED = RunLabels()


class Comparison(StrEnum):
    """How a metric is compared with a number."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "="
    DIFFERENT = "!="


_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.EQUAL: operator.eq,
    Comparison.DIFFERENT: operator.ne,
}


class MetricCondition(Frozen):
    """A condition on one metric, such as `sharpe > 1`; an undefined metric meets none."""

    metric: str
    comparison: Comparison
    value: float = Field(allow_inf_nan=False)

    def is_met(self, value: float | None) -> bool:
        """Say whether a run with this value of the metric meets the condition."""
        if value is None or value != value:  # NaN
            return False
        return _COMPARE[self.comparison](value, self.value)
