"""The price panel: prices as sessions × instruments, of one dataset and one basis, as of one time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import ClassVar

import numpy as np
import pandas as pd

from investlab.core.display import Displayable
from investlab.core.errors import EmptyUniverse, InvalidInput, MixedData, NotFound
from investlab.market.actions import ActionTable, actions_from_frame
from investlab.market.delistings import DelistingTable
from investlab.market.panel_identity import PanelDigests, events_digest, field_digest, listing_digest, panel_id
from investlab.schemas.market import BAR_FIELDS, Adjust, InstrumentRef, PriceBasis

SESSIONS_PER_YEAR = {
    "XNYS": 252,
    "XNAS": 252,
    "24/7": 365,
    "XAMS": 256,
    "XASX": 253,
    "XCSE": 250,
    "XETR": 254,
    "XHEL": 251,
    "XHKG": 247,
    "XLON": 253,
    "XMIL": 254,
    "XOSL": 251,
    "XPAR": 256,
    "XSTO": 251,
    "XSWX": 251,
    "XTSE": 251,
}
"""Trading sessions in a year by calendar (the mean of 2000 to 2024, rounded), used to annualise."""


@dataclass(frozen=True, slots=True)
class PanelSource:
    """Where a panel comes from; every result built on it repeats this."""

    dataset: str = "frames"
    dataset_version: int | None = None
    dataset_hash: str | None = None
    as_of: datetime | None = None
    calendar: str = "XNYS"
    currency: str = "USD"
    synthetic: bool = False
    origin: str = "frames given by the caller"
    licence: str = ""
    biases: tuple[str, ...] = ()
    adjust: Adjust = Adjust.NONE

    @property
    def label(self) -> str:
        """Return the short name people see, such as `us-close@1`."""
        return self.dataset if self.dataset_version is None else f"{self.dataset}@{self.dataset_version}"

    @property
    def sessions_per_year(self) -> int:
        """Return the calendar's sessions per year."""
        return SESSIONS_PER_YEAR[self.calendar]


@dataclass(frozen=True, slots=True, eq=False)
class PricePanel(Displayable):
    """Fields of daily bars as float64 arrays (sessions × instruments), missing values as NaN.

    `fields` maps a bar field to a read-only C-ordered array; `sessions` is strictly increasing datetime64[D]; columns
    follow `listing`. `actions` are in the accounts of a backtest, `delistings` say what holders got when a listing
    ended. `id` is a hash of all content, so equal panels have equal ids on every machine.
    """

    renderer: ClassVar[str] = "price_panel"

    sessions: np.ndarray
    listing: tuple[InstrumentRef, ...]
    fields: Mapping[str, np.ndarray]
    basis: PriceBasis
    actions: ActionTable
    source: PanelSource
    id: str = field(default="")
    delistings: DelistingTable = field(default_factory=DelistingTable.empty)

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self._content_id())

    def _content_id(self) -> str:
        digests = PanelDigests(
            {name: field_digest(values) for name, values in self.fields.items()},
            listing_digest(self.listing),
            events_digest(self.actions.arrays(), self.delistings.arrays()),
        )
        return panel_id(self.sessions, self.basis, self.source, digests)

    @classmethod
    def from_frames(
        cls,
        *,
        close: pd.DataFrame,
        open: pd.DataFrame | None = None,  # noqa: A002  (the field's name)
        high: pd.DataFrame | None = None,
        low: pd.DataFrame | None = None,
        volume: pd.DataFrame | None = None,
        basis: PriceBasis | str,
        actions: pd.DataFrame | None = None,
        calendar: str = "XNYS",
        currency: str = "USD",
        synthetic: bool = False,
    ) -> "PricePanel":
        """Build a panel from a researcher's own frames (sessions × symbols).

        All frames share one increasing, unique index of sessions and one set of symbol columns. `actions` has columns
        ex_date, symbol, kind (`split` or `dividend`) and value, and is allowed on `raw` panels; `split_adjusted`
        panels take dividends only.

        Raises:
            InvalidInput: Frames disagree, the index is not increasing, or a price is not positive and finite.
            EmptyUniverse: There is no column.
        """
        if not isinstance(close, pd.DataFrame):
            raise InvalidInput("close is no DataFrame.", remedy="Give a frame of sessions × symbols.")
        price_basis = _basis(basis)
        if calendar not in SESSIONS_PER_YEAR:
            raise NotFound.named("calendar", calendar, SESSIONS_PER_YEAR)
        sessions = _sessions(close.index)
        symbols = [str(name) for name in close.columns]
        if not symbols:
            raise EmptyUniverse("The close frame has no columns.", remedy="Give at least one symbol.")
        if len(set(symbols)) != len(symbols):
            raise InvalidInput("A symbol appears in two columns.", remedy="Keep one column for each symbol.")
        given = {"open": open, "high": high, "low": low, "close": close, "volume": volume}
        fields = {name: _values(name, frame, close) for name, frame in given.items() if frame is not None}
        table = ActionTable.empty() if actions is None else actions_from_frame(actions, sessions, symbols)
        _check_actions(price_basis, table)
        listing = tuple(
            InstrumentRef(instrument_id=number, symbol=symbol, currency=currency)
            for number, symbol in enumerate(symbols, start=1)
        )
        source = PanelSource(calendar=calendar, currency=currency, synthetic=synthetic)
        return cls(sessions, listing, fields, price_basis, table, source)

    @property
    def symbols(self) -> list[str]:
        """Return the symbols in column order."""
        return [instrument.symbol for instrument in self.listing]

    @property
    def instruments(self) -> pd.DataFrame:
        """Return the instruments in column order, indexed by symbol."""
        names = [name for name in InstrumentRef.model_fields if name != "symbol"]
        columns = {name: [getattr(instrument, name) for instrument in self.listing] for name in names}
        return pd.DataFrame(columns, index=pd.Index(self.symbols, name="symbol"))

    @property
    def index(self) -> pd.DatetimeIndex:
        """Return the sessions as a pandas index."""
        return pd.DatetimeIndex(self.sessions.astype("datetime64[ns]"), name="session")

    def frame(self, name: str) -> pd.DataFrame:
        """Return one field as a frame of sessions × symbols.

        Raises:
            NotFound: The panel has no such field.
        """
        return pd.DataFrame(self.values(name), index=self.index, columns=pd.Index(self.symbols, name="symbol"))

    def values(self, name: str) -> np.ndarray:
        """Return one field as a read-only array (sessions × instruments).

        Raises:
            NotFound: The panel has no such field.
        """
        if name not in self.fields:
            raise NotFound.named("field", name, self.fields, remedy=f"This panel is of {self.source.label}.")
        return self.fields[name]

    @property
    def close(self) -> pd.DataFrame:
        """Return closing prices on the panel's basis, sessions × symbols."""
        return self.frame("close")

    @property
    def open(self) -> pd.DataFrame:
        """Return opening prices on the panel's basis, sessions × symbols."""
        return self.frame("open")

    @property
    def first_session(self) -> date:
        """Return the first session."""
        day: date = self.sessions[0].item()
        return day

    @property
    def last_session(self) -> date:
        """Return the last session."""
        day: date = self.sessions[-1].item()
        return day

    @property
    def shape(self) -> tuple[int, int]:
        """Return (sessions, instruments)."""
        return len(self.sessions), len(self.listing)

    def select(self, symbols: Sequence[str]) -> "PricePanel":
        """Return the panel of these symbols, in their order.

        Raises:
            EmptyUniverse: No symbol is given.
            NotFound: A symbol is not in the panel; near matches are named.
        """
        if not symbols:
            raise EmptyUniverse("No symbol was selected.", remedy=f"Choose among {', '.join(self.symbols[:12])}.")
        known = {symbol: column for column, symbol in enumerate(self.symbols)}
        for symbol in symbols:
            if symbol not in known:
                raise NotFound.named("symbol", symbol, known)
        if len(set(symbols)) != len(symbols):
            raise InvalidInput("A symbol was selected twice.", remedy="Name each symbol once.")
        columns = [known[symbol] for symbol in symbols]
        return replace(
            self,
            listing=tuple(self.listing[column] for column in columns),
            fields={name: read_only(values[:, columns]) for name, values in self.fields.items()},
            actions=self.actions.of_columns(columns),
            delistings=self.delistings.of_columns(columns),
            id="",
        )


def read_only(values: np.ndarray) -> np.ndarray:
    """Return values as a read-only, C-ordered float64 array."""
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def require_same_source(panels: Sequence[PricePanel]) -> None:
    """Check that panels share dataset version, as-of time and basis.

    Raises:
        MixedData: They do not.
    """
    kinds = {(p.source.label, p.source.as_of, p.basis) for p in panels}
    if len(kinds) > 1:
        names = sorted(f"{label} ({basis})" for label, _, basis in kinds)
        raise MixedData(
            f"Panels of {' and '.join(names)} cannot be mixed.",
            remedy="Build one panel from one dataset with one basis and one as-of time.",
        )


def _basis(basis: PriceBasis | str) -> PriceBasis:
    try:
        return PriceBasis(basis)
    except ValueError as error:
        raise InvalidInput(f"Unknown price basis {basis!r}.", remedy=f"Use one of {', '.join(PriceBasis)}.") from error


def _sessions(index: pd.Index) -> np.ndarray:
    if not isinstance(index, pd.DatetimeIndex):
        raise InvalidInput("The frame's index holds no dates.", remedy="Give a DatetimeIndex of sessions.")
    if index.tz is not None:
        raise InvalidInput(
            "Sessions carry a time zone.", remedy="Use plain dates: index.tz_localize(None).normalize()."
        )
    if not len(index):
        raise InvalidInput("The frame has no sessions.", remedy="Give at least one row.")
    sessions = index.values.astype("datetime64[D]")
    if (np.diff(sessions.astype(np.int64)) <= 0).any():
        raise InvalidInput(
            "Sessions are not strictly increasing; this version has daily bars only.",
            remedy="Sort the frame by date and keep one row for each.",
        )
    return sessions


def _values(name: str, frame: pd.DataFrame, close: pd.DataFrame) -> np.ndarray:
    if name not in BAR_FIELDS:
        raise NotFound.named("field", name, BAR_FIELDS)
    if not frame.index.equals(close.index) or list(frame.columns) != list(close.columns):
        raise InvalidInput(
            f"The {name} frame has other rows or columns than the close frame.",
            remedy=f"Align it first: {name}.reindex_like(close).",
        )
    try:
        values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The {name} frame holds values that are no numbers.", remedy="Convert it first.") from error
    known = values[~np.isnan(values)]
    bad = ~np.isfinite(known) | (known < 0 if name == "volume" else known <= 0)
    if bad.any():
        raise InvalidInput(
            f"The {name} frame holds {int(bad.sum())} values that are not positive and finite.",
            remedy="Correct them or set them to NaN.",
        )
    return read_only(values.copy())


def _check_actions(basis: PriceBasis, table: ActionTable) -> None:
    if basis is PriceBasis.TOTAL_RETURN and len(table):
        raise InvalidInput(
            "A total-return panel has its actions in its prices already.", remedy="Leave the actions out."
        )
    if basis is PriceBasis.SPLIT_ADJUSTED and (table.split_ratio != 1.0).any():
        raise InvalidInput(
            "A split-adjusted panel has its splits in its prices already.", remedy="Give dividends only."
        )
