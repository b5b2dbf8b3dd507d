"""Datasets, their versions, ingest runs and corporate actions."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from investlab.core.errors import Conflict, InvalidInput, InvestlabError, MixedData, NotFound
from investlab.schemas.catalog import DatasetVersionInfo, IngestStatus, RowCounts, VersionHold
from investlab.schemas.market import ActionKind, CorporateAction, PriceBasis
from investlab.store.database import Database
from investlab.store.repositories import actions, backtests, catalog, datasets, ingests
from tests.support.records import (
    AT,
    add_dataset,
    at,
    description,
    ingest_start,
    instrument_draft,
    run_start,
    split,
    version_draft,
)


@pytest.fixture
def stored(database: Database) -> Database:
    """The dataset us with version 1."""
    database.write(add_dataset)
    return database


def _versions(stored: Database) -> list[DatasetVersionInfo]:
    with stored.read() as session:
        return datasets.versions(session, "us")


def test_a_dataset_comes_back_as_it_was_described(stored: Database) -> None:
    with stored.read() as session:
        info = datasets.dataset(session, "us")
    assert info.model_dump(include=set(description().model_dump())) == description().model_dump()
    assert (info.created_at, info.latest_version) == (AT, 1)


def test_describing_a_dataset_again_updates_words_and_adds_fields(stored: Database) -> None:
    better = description(title="Better", fields=("close", "volume"), biases=())
    info = stored.write(lambda session: datasets.ensure_dataset(session, better, at=at(9)))
    assert (info.title, info.fields, info.biases) == ("Better", ("open", "close", "volume"), ())
    assert (info.created_at, info.latest_version) == (AT, 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"price_basis": PriceBasis.TOTAL_RETURN},
        {"currency": "EUR"},
        {"calendar": "XLON"},
        {"synthetic": True},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_a_dataset_means_never_changes(stored: Database, fields: dict[str, Any]) -> None:
    with pytest.raises(MixedData, match=next(iter(fields))):
        stored.write(lambda session: datasets.ensure_dataset(session, description(**fields), at=AT))


def test_an_unknown_dataset_names_its_near_matches(stored: Database) -> None:
    with stored.read() as session, pytest.raises(NotFound, match="Unknown dataset 'uss'. Did you mean us"):
        datasets.dataset(session, "uss")


def test_datasets_are_listed_by_name(stored: Database) -> None:
    stored.write(lambda session: datasets.ensure_dataset(session, description(name="asia"), at=AT))
    with stored.read() as session:
        found = [(info.name, info.latest_version) for info in datasets.list_datasets(session)]
        assert datasets.latest_version(session, "asia") is None
    assert found == [("asia", None), ("us", 1)]


def test_versions_count_up(stored: Database) -> None:
    for expected in (1, 2):
        stored.write(lambda session, e=expected: datasets.record_version(session, version_draft(), expected_last=e))
    assert [version.number for version in _versions(stored)] == [1, 2, 3]
    with stored.read() as session:
        assert datasets.latest_version(session, "us") == datasets.version(session, "us", 3)
        assert datasets.version(session, "us", 1).first_session == date(2020, 1, 2)


@pytest.mark.parametrize("expected_last", [None, 0, 2])
def test_a_version_built_on_another_one_is_refused(stored: Database, expected_last: int | None) -> None:
    with pytest.raises(Conflict, match=f"'us' is 1, not {expected_last}"):
        stored.write(lambda session: datasets.record_version(session, version_draft(), expected_last=expected_last))


def test_a_version_needs_an_ingest_run_of_its_dataset(stored: Database) -> None:
    stored.write(lambda session: add_dataset(session, name="other"))
    foreign = version_draft(ingest_run_id="ingest-other")
    with pytest.raises(Conflict, match="not one of dataset 'us'"):
        stored.write(lambda session: datasets.record_version(session, foreign, expected_last=1))


def test_an_unknown_version_says_which_there_are(stored: Database) -> None:
    with stored.read() as session, pytest.raises(NotFound, match="no version 7. Its versions are 1 to 1"):
        datasets.version(session, "us", 7)


def test_versions_that_runs_stand_on_are_pinned(stored: Database) -> None:
    stored.write(lambda session: datasets.record_version(session, version_draft(), expected_last=1))
    with stored.read() as session:
        assert datasets.pinned_versions(session, "us") == []
    stored.write(lambda session: backtests.start_run(session, run_start(dataset_version=2)))
    with stored.read() as session:
        assert [version.number for version in datasets.pinned_versions(session, "us")] == [2]


def test_a_pinned_version_is_held_until_its_last_pin_goes(stored: Database) -> None:
    def pin(session: Session, label: str) -> VersionHold:
        return datasets.pin_version(session, "us", 1, label=label, owner="ada", at=at(2))

    def held() -> tuple[list[int], list[str]]:
        with stored.read() as session:
            versions = [version.number for version in datasets.pinned_versions(session, "us")]
            return versions, [found.label for found in datasets.pins(session, "us")]

    first = stored.write(lambda session: pin(session, "paper"))
    assert (first.number, first.label, first.owner, first.created_at) == (1, "paper", "ada", at(2))
    assert stored.write(lambda session: [pin(session, label) for label in ("paper", "audit")])[0] == first
    assert held() == ([1], ["audit", "paper"])
    for label, left in (("audit", ([1], ["paper"])), ("paper", ([], []))):
        stored.write(lambda session, label=label: datasets.unpin_version(session, "us", 1, label=label))
        assert held() == left


def test_a_pin_that_is_not_there_is_named(stored: Database) -> None:
    stored.write(lambda session: datasets.pin_version(session, "us", 1, label="paper", owner="ada", at=AT))
    with pytest.raises(NotFound, match="Unknown pin 'papper'. Did you mean paper"):
        stored.write(lambda session: datasets.unpin_version(session, "us", 1, label="papper"))
    with pytest.raises(NotFound, match="no version 9"):
        stored.write(lambda session: datasets.pin_version(session, "us", 9, label="paper", owner="ada", at=AT))


def test_an_ingest_run_completes_with_counts_and_quality(stored: Database) -> None:
    with stored.read() as session:
        info = ingests.ingest(session, "ingest-0001")
    assert (info.status, info.rows_new, info.quality) == (IngestStatus.COMPLETED, 10, {"status": "passed"})
    assert (info.started_at, info.ended_at, info.error) == (AT, at(1), None)


def test_an_ingest_run_is_rejected_or_fails(stored: Database) -> None:
    def unit(session: Session) -> None:
        for name in ("rejected-1", "failed-1"):
            ingests.start_ingest(session, ingest_start(ingest_run_id=name, started_at=at(5)))
        ingests.reject_ingest(session, "rejected-1", quality={"gaps": 3}, error="gaps", at=at(6))
        ingests.fail_ingest(session, "failed-1", error="disk", at=at(6))

    stored.write(unit)
    with stored.read() as session:
        found = [(info.status, info.error) for info in ingests.list_ingests(session, "us")]
    assert found == [("failed", "disk"), ("rejected", "gaps"), ("completed", None)]


def test_an_ended_ingest_run_stays_ended(stored: Database) -> None:
    with pytest.raises(Conflict, match="already ended as completed"):
        stored.write(lambda session: ingests.fail_ingest(session, "ingest-0001", error="late", at=AT))


def test_an_ingest_run_names_an_existing_step_or_none(stored: Database) -> None:
    start = ingest_start(ingest_run_id="ingest-0002", pipeline_step="nowhere")
    with pytest.raises(NotFound, match="no pipeline step 'nowhere'"):
        stored.write(lambda session: ingests.start_ingest(session, start))


def _add(stored: Database, *given: CorporateAction, when: datetime = AT) -> RowCounts:
    return stored.write(lambda session: actions.add_actions(session, "us", given, ingest_run_id="ingest-0001", at=when))


def _known(stored: Database, **filters: Any) -> list[CorporateAction]:
    with stored.read() as session:
        return actions.actions_as_of(session, "us", **filters)


CORRECTED_AT = datetime(2020, 2, 3, 12, tzinfo=UTC)


def test_actions_are_recorded_once(stored: Database) -> None:
    dividend = split(kind=ActionKind.DIVIDEND, value=0.1, ex_date=date(2020, 3, 2))
    assert _add(stored, split(), dividend) == RowCounts(new=2)
    assert _add(stored, split(), dividend) == RowCounts(same=2)
    assert _known(stored) == [split(), dividend]


def test_an_action_told_again_later_is_no_news(stored: Database) -> None:
    _add(stored, split())
    assert _add(stored, split(known_at=CORRECTED_AT)) == RowCounts(same=1)


def test_the_latest_known_correction_wins(stored: Database) -> None:
    _add(stored, split())
    correction = split(value=3.0, known_at=CORRECTED_AT, assumed=False)
    assert _add(stored, correction, when=at(60)) == RowCounts(new=1)
    assert _known(stored) == [correction]
    assert _known(stored, as_of=CORRECTED_AT) == [correction]
    assert _known(stored, as_of=datetime(2020, 2, 3, 11, tzinfo=UTC)) == [split()]
    assert _known(stored, as_of=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert _known(stored, ingested_by=AT) == [split()]
    assert _known(stored, ingested_by=at(60)) == [correction]


def test_a_correction_needs_a_later_known_at(stored: Database) -> None:
    _add(stored, split())
    with pytest.raises(Conflict, match=r"recorded as 2.0, not 3.0, with the same known_at"):
        _add(stored, split(value=3.0))


def test_actions_are_chosen_by_instrument(stored: Database) -> None:
    _add(stored, split())
    assert _known(stored, instrument_ids=[1]) == [split()]
    assert _known(stored, instrument_ids=[2]) == []
    assert _known(stored, instrument_ids=[]) == []
    assert _known(stored, instrument_ids=range(2000)) == [split()]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        pytest.param({"instrument_id": 99}, Conflict, id="unknown-instrument"),
        pytest.param({"known_at": datetime(2020, 1, 8, 14)}, InvalidInput, id="naive"),  # noqa: DTZ001
    ],
)
def test_impossible_actions_are_refused(stored: Database, changed: dict[str, Any], error: type[InvestlabError]) -> None:
    with pytest.raises(error):
        _add(stored, split(**changed))
    assert _known(stored) == []


def _spin_off(**fields: Any) -> CorporateAction:
    own: dict[str, Any] = {"kind": ActionKind.SPIN_OFF, "value": 2.5, "counterpart_id": 2, "counterpart_ratio": 1 / 3}
    return split(**own | fields)


def test_a_spin_off_keeps_what_is_handed_out(stored: Database) -> None:
    stored.write(lambda session: catalog.ensure_instrument(session, instrument_draft(symbol="PART")))
    told = [_spin_off(uncertainty=0.01), split(kind=ActionKind.DELISTING, value=-1.0)]
    _add(stored, *told)
    assert sorted(_known(stored), key=lambda action: action.kind, reverse=True) == told


def test_a_corrected_counterpart_is_news(stored: Database) -> None:
    stored.write(lambda session: catalog.ensure_instrument(session, instrument_draft(symbol="PART")))
    later = _spin_off().known_at.replace(year=2021)
    assert _add(stored, _spin_off(), _spin_off(known_at=later), _spin_off(uncertainty=0.5)).new == 1
    corrected = _spin_off(counterpart_ratio=0.25, known_at=later)
    assert _add(stored, corrected).new == 1
    assert _known(stored) == [corrected]
    with pytest.raises(Conflict, match="another counterpart or ratio"):
        _add(stored, _spin_off(counterpart_ratio=0.2, known_at=later))


def test_only_what_hands_out_shares_has_a_counterpart(stored: Database) -> None:
    with pytest.raises(InvalidInput, match="The split of instrument 1 on 2020-01-08 has a counterpart"):
        _add(stored, split(counterpart_id=1, counterpart_ratio=1.0))


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.0123456789012345, 1e-9, 123456789.987654321])
def test_an_action_s_value_comes_back_to_the_bit(stored: Database, value: float) -> None:
    _add(stored, split(value=value))
    assert _known(stored)[0].value == value


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_the_exact_decimal_of_a_float_is_that_float(value: float) -> None:
    exact = actions.exact(value)
    assert isinstance(exact, Decimal)
    assert float(exact) == value


def test_a_version_follows_its_tables_when_they_are_built_anew(stored: Database) -> None:
    moved = stored.write(lambda session: datasets.repin_version(session, "us", 1, 7, 2))
    assert [(v.number, v.base_version, v.corrections_version) for v in _versions(stored)] == [(1, 7, 2)]
    assert moved.content_hash == version_draft().content_hash
    with pytest.raises(NotFound, match="no version 9"):
        stored.write(lambda session: datasets.repin_version(session, "us", 9, 7, 2))
