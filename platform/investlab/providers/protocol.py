"""What a provider of history is: it lists datasets and fetches bars; it stores nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from investlab.market.derivation import AdjustmentRule
from investlab.schemas.catalog import DatasetDescription, InstrumentDraft


@dataclass(frozen=True, slots=True)
class BarBatch:
    """Bars as a provider gives them.

    `bars` has symbol, session (datetime64, no time zone) and the dataset's fields. `adjustment_rule` says how the
    provider's adjusted close folds dividends in, when corporate actions can be derived from it; None when they cannot.
    """

    description: DatasetDescription
    instruments: tuple[InstrumentDraft, ...]
    bars: pd.DataFrame
    adjustment_rule: AdjustmentRule | None = None


class Provider(Protocol):
    """A source of daily history."""

    name: str

    def datasets(self) -> Sequence[DatasetDescription]:
        """Return the datasets on offer, ordered by name."""
        ...

    def fetch(self, dataset: str, symbols: Sequence[str] | None = None) -> BarBatch:
        """Return the bars of a dataset, all symbols unless some are named.

        Raises:
            NotFound: The dataset or a symbol is not on offer; near matches are named.
            StorageUnavailable: The source cannot be read.
        """
        ...
