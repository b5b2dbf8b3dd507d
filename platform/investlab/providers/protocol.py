"""What a provider of history is: it lists datasets and delivers bars part by part; it stores nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import pandas as pd

from investlab.market.derivation import AdjustmentRule
from investlab.schemas.catalog import ActionDraft, DatasetDescription, InstrumentDraft


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Which bars to deliver: all symbols and sessions of the dataset unless narrowed; both ends count."""

    dataset: str
    symbols: tuple[str, ...] | None = None
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Bars as a provider gives them, in parts that are read one after another so that a market need not fit memory.

    `parts` names the parts in order and `read` gives the bars of one: symbol (text or categorical), session
    (datetime64, no time zone) and the dataset's fields. An instrument's bars all come under the symbol of its draft,
    whatever it was called then. A name always stands for the same part of the same request, so that parts already
    fetched from a remote source (`is_remote`) need not be fetched again. `adjustment_rule` says how the provider's
    adjusted close folds dividends in, when corporate actions can be derived from it (a part then holds whole
    instruments); None when they cannot. `actions` are those the provider tells.
    """

    description: DatasetDescription
    instruments: tuple[InstrumentDraft, ...]
    parts: tuple[str, ...]
    read: Callable[[str], pd.DataFrame]
    adjustment_rule: AdjustmentRule | None = None
    actions: tuple[ActionDraft, ...] = ()
    is_remote: bool = False


class Provider(Protocol):
    """A source of daily history."""

    name: str

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name."""
        ...

    def fetch(self, request: FetchRequest) -> Delivery:
        """Return the delivery of a dataset's bars; what is remote is read only when a part is.

        Raises:
            NotFound: The dataset or a symbol is not on offer; near matches are named.
            StorageUnavailable: The source cannot be read.
        """
        ...
