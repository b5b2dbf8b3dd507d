"""What every provider of history must do: inherit `ProviderConformance` and say how a provider is made."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from investlab.core.errors import NotFound
from investlab.market.calendars import sessions_between
from investlab.providers.protocol import Delivery, FetchRequest, Provider
from investlab.schemas.market import BAR_FIELDS


def read_all(delivery: Delivery) -> pd.DataFrame:
    """Return the bars of all parts under each other, symbols as text."""
    read = [delivery.read(part) for part in delivery.parts]
    columns = ["symbol", "session", *delivery.description.fields]
    whole = pd.concat(read, ignore_index=True) if read else pd.DataFrame(columns=columns)
    return whole.assign(symbol=whole["symbol"].astype("str"))


def in_order(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars ordered by symbol and session."""
    return bars.sort_values(["symbol", "session"], kind="stable", ignore_index=True)


class ProviderConformance:
    """Behaviour that an ingest relies on.

    `make` is called anew for each test and must give the same provider each time. `dataset` names one of its datasets
    with at least two instruments of at least ten sessions. A remote provider tells by `count_reads` how many bars it
    has read from its source. `whole` may narrow what the tests read of a source that is too large.
    """

    dataset: str
    whole: FetchRequest | None = None

    def make(self) -> Provider:
        """Return the provider, opened anew over the same source."""
        raise NotImplementedError

    def count_reads(self) -> int | None:
        """Return how often bars were asked of a remote source so far; None for a local one."""
        return None

    def request(
        self, symbols: tuple[str, ...] | None = None, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> FetchRequest:
        """Return the request of the tests, narrowed."""
        base = self.whole or FetchRequest(self.dataset)
        return FetchRequest(
            self.dataset,
            symbols or base.symbols,
            start.date() if start is not None else base.start,
            end.date() if end is not None else base.end,
        )

    def fetch(self) -> tuple[Delivery, pd.DataFrame]:
        """Return everything the tests read of the dataset."""
        delivery = self.make().fetch(self.request())
        return delivery, in_order(read_all(delivery))

    def test_datasets_are_ordered_by_name_and_say_everything_about_themselves(self) -> None:
        provider = self.make()
        described = provider.datasets()
        names = [each.name for each in described]
        assert names == sorted(set(names))
        assert self.dataset in names
        for each in described:
            assert each.provider == provider.name
            for said in ("title", "source", "licence", "currency", "calendar", "biases"):
                assert getattr(each, said), f"{each.name} does not say its {said}"
            assert "close" in each.fields
            assert set(each.fields) <= set(BAR_FIELDS)

    def test_listing_datasets_reads_no_bars(self) -> None:
        before = self.count_reads()
        self.make().datasets()
        assert self.count_reads() == before

    def test_a_delivery_describes_the_dataset_asked_for(self) -> None:
        provider = self.make()
        listed = {each.name: each for each in provider.datasets()}
        assert provider.fetch(self.request()).description == listed[self.dataset]

    def test_what_is_made_up_is_labelled(self) -> None:
        delivery, _ = self.fetch()
        if delivery.description.synthetic:
            assert any("synthetic" in bias for bias in delivery.description.biases)

    def test_bars_of_a_remote_source_are_read_part_by_part(self) -> None:
        before = self.count_reads()
        delivery = self.make().fetch(self.request())
        assert delivery.is_remote is (before is not None)
        assert self.count_reads() == before, "bars were read before a part was"

    def test_every_part_has_the_columns_and_types_of_bars(self) -> None:
        delivery = self.make().fetch(self.request())
        for part in delivery.parts:
            bars = delivery.read(part)
            assert set(bars.columns) == {"symbol", "session", *delivery.description.fields}
            assert pd.api.types.is_datetime64_dtype(bars["session"]), "sessions carry a time zone or are no dates"
            assert (bars["session"] == bars["session"].dt.normalize()).all(), "sessions carry a time of day"
            assert bars["session"].notna().all()
            assert bars["symbol"].notna().all()
            assert {type(symbol) for symbol in bars["symbol"].unique()} <= {str}
            for name in delivery.description.fields:
                assert bars[name].dtype == "float64", f"{name} of {part} is {bars[name].dtype}"

    def test_sessions_belong_to_the_calendar(self) -> None:
        delivery, bars = self.fetch()
        days = bars["session"]
        known = sessions_between(delivery.description.calendar, days.min().date(), days.max().date())
        assert set(days.to_numpy("datetime64[D]")) <= set(known)

    def test_bars_come_under_the_symbols_of_their_drafts(self) -> None:
        delivery, bars = self.fetch()
        symbols = [draft.symbol for draft in delivery.instruments]
        assert len(set(symbols)) == len(symbols)
        assert sorted(symbols) == sorted(bars["symbol"].unique())
        assert {action.symbol for action in delivery.actions} <= set(symbols)

    def test_parts_are_disjoint(self) -> None:
        delivery, bars = self.fetch()
        assert len(set(delivery.parts)) == len(delivery.parts)
        assert not bars.duplicated(["symbol", "session"]).any()

    def test_the_same_request_gives_the_same_bits(self) -> None:
        one, two = self.make().fetch(self.request()), self.make().fetch(self.request())
        assert one.parts == two.parts
        assert (one.description, one.instruments, one.actions) == (two.description, two.instruments, two.actions)
        for part in one.parts:
            assert_frame_equal(one.read(part), two.read(part), check_exact=True)
            assert_frame_equal(one.read(part), two.read(part), check_exact=True)

    def test_an_unknown_part_is_refused(self) -> None:
        with pytest.raises(NotFound, match="part"):
            self.make().fetch(self.request()).read("no such part")

    def test_symbols_narrow_like_a_filter(self) -> None:
        delivery, bars = self.fetch()
        chosen = sorted(bars["symbol"].unique())[-1]
        narrowed = self.make().fetch(self.request(symbols=(chosen,)))
        self.assert_same_bars(read_all(narrowed), bars[bars["symbol"] == chosen])
        assert narrowed.instruments == tuple(each for each in delivery.instruments if each.symbol == chosen)
        assert {action.symbol for action in narrowed.actions} <= {chosen}

    def test_dates_narrow_like_a_filter_with_both_ends(self) -> None:
        delivery, bars = self.fetch()
        days = sorted(bars["session"].unique())
        start, end = days[len(days) // 3], days[2 * len(days) // 3]
        narrowed = self.make().fetch(self.request(start=start, end=end))
        self.assert_same_bars(read_all(narrowed), bars[bars["session"].between(start, end)])
        assert set(narrowed.instruments) <= set(delivery.instruments)

    def test_an_unknown_dataset_is_named_with_near_matches(self) -> None:
        with pytest.raises(NotFound) as caught:
            self.make().fetch(FetchRequest(f"{self.dataset}x"))
        assert self.dataset in caught.value.details["near"]

    def test_an_unknown_symbol_is_named_with_near_matches(self) -> None:
        known = self.make().fetch(self.request()).instruments[0].symbol
        with pytest.raises(NotFound) as caught:
            self.make().fetch(self.request(symbols=(f"{known}X",)))
        assert known in caught.value.details["near"]

    @staticmethod
    def assert_same_bars(found: pd.DataFrame, expected: pd.DataFrame) -> None:
        """Check that two frames hold the same bars to the bit, in whatever order."""
        assert len(expected)
        columns = list(expected.columns)
        assert_frame_equal(in_order(found)[columns], in_order(expected), check_exact=True)
