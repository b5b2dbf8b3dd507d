"""The registry: immutable versions, aliases that move by the rule, and an audit that finds every tampering."""

import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from investlab.core.errors import Conflict, Corrupt, InvestlabError, NotFound
from investlab.schemas.audit import AuditEvent, RegistryAudit
from investlab.schemas.backtest import PanelRequest
from investlab.schemas.registry import Alias, TrainingRunInfo
from investlab.services import registry
from investlab.services.context import Context
from investlab.services.workspace import Workspace
from investlab.store.repositories import audit, outbox
from investlab.store.repositories.registry import recomputed_hash
from tests.support.models import (
    MODEL,
    open_registry,
    promote_versions,
    register_runs,
    registered,
    trained,
)


@pytest.fixture
def lab(tmp_path: Path, database_url: str) -> Iterator[Workspace]:
    opened = open_registry(tmp_path / "home", database_url)
    yield opened
    opened.close()


@pytest.fixture
def context(lab: Workspace) -> Context:
    return lab.context


def _events(context: Context) -> list[AuditEvent]:
    with context.database.read() as session:
        return audit.list_events(session, subject=MODEL)[::-1]


def _aliases(context: Context) -> dict[Alias, int]:
    return {alias: version.number for version in registry.versions(context, MODEL) for alias in version.aliases}


def test_registering_gives_a_version_with_its_event_and_message(context: Context) -> None:
    model = trained(context)
    version = registry.register(context, model, MODEL)
    assert (version.label, version.learner, version.aliases) == ("us-ranker@1", "momentum_12_1", ())
    assert (version.scorecard, version.lineage.training_run) == (model.scorecard, model.run_id)
    event = _events(context)[0]
    assert (event.action, event.details["content_hash"], event.at) == (
        "model.registered",
        version.content_hash,
        version.created_at,
    )
    with context.database.read() as session:
        message = outbox.pending(session)[-1]
    assert (message.topic, message.payload["event"], message.payload["number"]) == ("system", "model.registered", 1)


def test_registering_again_gives_the_same_version_and_no_event(context: Context) -> None:
    model = trained(context)
    assert registry.register(context, model, MODEL) == registry.register(context, model, MODEL)
    assert len(_events(context)) == 1


@pytest.mark.parametrize(
    ("name", "artifact"),
    [
        pytest.param("../us", None, id="name"),
        pytest.param(MODEL, pickle.dumps([1]), id="pickle"),
        pytest.param(MODEL, b'{"format": "something else"}', id="unloadable"),
    ],
)
def test_what_fails_its_checks_is_not_registered(context: Context, name: str, artifact: bytes | None) -> None:
    with pytest.raises(InvestlabError):
        registry.register(context, trained(context, artifact=artifact), name)
    assert registry.versions(context) == []
    assert _events(context) == []


def test_a_damaged_artifact_is_refused(context: Context) -> None:
    model = trained(context)
    _file(context, model.run).write_bytes(b"{}")
    with pytest.raises(Corrupt, match="has another hash"):
        registry.register(context, model, MODEL)


def test_the_first_version_that_satisfies_the_rule_becomes_champion(context: Context) -> None:
    registered(context)
    assert registry.champion(context, MODEL) is None
    assert registry.assess(context, MODEL, 1).promote
    receipt = registry.promote(context, MODEL, 1, actor="ada")
    assert (receipt.champion, receipt.previous, receipt.challenger) == (1, None, None)
    champion = registry.champion(context, MODEL)
    assert champion is not None
    assert (champion.number, champion.aliases) == (1, (Alias.CHAMPION,))
    event = _events(context)[-1]
    assert (event.action, event.actor, event.hash) == ("model.promoted", "ada", receipt.event_hash)
    assert (event.details["forced"], event.details["aliases"]) == (False, {"champion": 1})


def test_too_few_observations_make_no_champion(context: Context) -> None:
    registry.register(context, trained(context, sessions=20), MODEL)
    with pytest.raises(Conflict, match="us-ranker@1 was not promoted"):
        registry.promote(context, MODEL, 1, actor="ada")
    assert registry.champion(context, MODEL) is None


def test_a_better_challenger_becomes_champion(context: Context) -> None:
    for number, level in ((1, 0.01), (2, 0.2)):
        registered(context, number, level)
        registry.promote(context, MODEL, number, actor="ada")
    assert _aliases(context) == {Alias.CHAMPION: 2}
    with context.database.read() as session:
        payload = outbox.pending(session)[-1].payload
    assert (payload["event"], payload["model"], payload["number"], payload["previous"]) == (
        "model.promoted",
        MODEL,
        2,
        1,
    )


def test_a_challenger_that_is_no_better_is_refused_and_assessed(context: Context) -> None:
    for number, level in ((1, 0.2), (2, 0.01)):
        registered(context, number, level)
    registry.promote(context, MODEL, 1, actor="ada")
    decision = registry.assess(context, MODEL, 2)
    assert _aliases(context) == {Alias.CHAMPION: 1}
    with pytest.raises(Conflict, match="us-ranker@2 was not promoted") as raised:
        registry.promote(context, MODEL, 2, actor="ada")
    assert decision.reason in raised.value.detail
    assert _aliases(context) == {Alias.CHAMPION: 1, Alias.CHALLENGER: 2}
    event = _events(context)[-1]
    assert (event.action, event.details["decision"]) == ("model.assessed", decision.model_dump(mode="json"))
    assert registry.audit(context).intact


@pytest.mark.parametrize("symbols", [("MSFT",), ("AAPL", "MSFT")])
def test_a_challenger_of_other_instruments_is_refused(context: Context, symbols: tuple[str, ...]) -> None:
    """However much better it looks: on other instruments the same model would look better, too."""
    registered(context, 1, 0.01)
    registry.promote(context, MODEL, 1, actor="ada")
    other = trained(context, 2, 0.5, panel=PanelRequest(dataset="us", symbols=symbols))
    registry.register(context, other, MODEL)
    decision = registry.assess(context, MODEL, 2)
    assert (decision.promote, decision.gain, decision.observations) == (False, None, 0)
    assert "instruments" in decision.reason
    with pytest.raises(Conflict, match="cannot be compared"):
        registry.promote(context, MODEL, 2, actor="ada")
    assert _aliases(context) == {Alias.CHAMPION: 1, Alias.CHALLENGER: 2}
    assert registry.promote(context, MODEL, 2, actor="ada", force=True).champion == 2


def test_a_version_tells_through_which_session_it_was_trained(context: Context) -> None:
    panel = PanelRequest(dataset="us", symbols=("AAPL",), end=date(2021, 12, 31))
    version = registry.register(context, trained(context, panel=panel), MODEL)
    assert version.lineage.trained_through == date(2021, 12, 31)
    assert version.content_hash == context.database.write(lambda s: recomputed_hash(s, version.version_id))


def test_force_overrules_the_rule_and_the_event_says_so(context: Context) -> None:
    for number, level in ((1, 0.2), (2, 0.01)):
        registered(context, number, level)
    registry.promote(context, MODEL, 1, actor="ada", force=True)
    with pytest.raises(Conflict):
        registry.promote(context, MODEL, 2, actor="ada")
    receipt = registry.promote(context, MODEL, 2, actor="ada", force=True)
    assert (receipt.champion, receipt.previous, receipt.challenger) == (2, 1, None)
    assert [event.details.get("forced") for event in _events(context)] == [None, None, False, False, True]


def test_promoting_the_champion_changes_nothing(context: Context) -> None:
    registered(context)
    registry.promote(context, MODEL, 1, actor="ada")
    before = _events(context)
    receipt = registry.promote(context, MODEL, 1, actor="ada")
    assert (receipt.champion, receipt.event_hash, receipt.decision) == (1, None, None)
    assert _events(context) == before


def test_rolling_back_goes_through_the_champions_before(context: Context) -> None:
    for number in (1, 2, 3):
        registered(context, number, 0.05)
        registry.promote(context, MODEL, number, actor="ada", force=True)
    found = []
    for _ in range(2):
        receipt = registry.rollback(context, MODEL, actor="bob")
        found.append((receipt.previous, receipt.champion))
    assert found == [(3, 2), (2, 1)]
    with pytest.raises(Conflict, match="had no champion before"):
        registry.rollback(context, MODEL, actor="bob")
    event = _events(context)[-1]
    assert (event.action, event.actor, event.details["previous"]) == ("model.rolled_back", "bob", 2)
    assert registry.audit(context).intact


def test_a_model_without_versions_cannot_move(context: Context) -> None:
    for attempt in (
        lambda: registry.rollback(context, MODEL, actor="ada"),
        lambda: registry.promote(context, MODEL, 1, actor="ada"),
        lambda: registry.version(context, MODEL, 1),
    ):
        with pytest.raises(NotFound, match="Unknown model"):
            attempt()
    assert registry.champion(context, MODEL) is None


def test_a_damaged_artifact_is_not_promoted(context: Context) -> None:
    model = trained(context)
    registry.register(context, model, MODEL)
    _file(context, model.run).write_bytes(b"{}")
    with pytest.raises(Corrupt):
        registry.promote(context, MODEL, 1, actor="ada")


def _file(context: Context, run: TrainingRunInfo) -> Path:
    assert run.artifact_sha256 is not None
    return context.artifacts.root / run.artifact_sha256[:2] / run.artifact_sha256


@pytest.fixture
def used(context: Context) -> Context:
    """Two versions; the second is champion, the first was before."""
    for number in (1, 2):
        registered(context, number)
        registry.promote(context, MODEL, number, actor="ada", force=True)
    assert registry.audit(context) == RegistryAudit(
        intact=True, events=4, head=_events(context)[-1].hash, versions=2, artifacts=3
    )
    return context


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        pytest.param(
            ["UPDATE model_versions SET learner = 'other' WHERE number = 1"],
            "version us-ranker@1 or its training run was edited",
            id="row-edited",
        ),
        pytest.param(
            [
                "UPDATE model_versions SET artifact_sha256 = "
                "(SELECT artifact_sha256 FROM model_versions WHERE number = 2) WHERE number = 1"
            ],
            "version us-ranker@1 has another artifact_sha256",
            id="artifact-exchanged",
        ),
        pytest.param(
            ["UPDATE training_runs SET panel_id = 'pn-other' WHERE uid = 'tr-0002'"],
            "version us-ranker@2 or its training run was edited",
            id="lineage-edited",
        ),
        pytest.param(
            [
                "UPDATE model_versions SET created_at = (SELECT created_at FROM model_versions WHERE number = 2)"
                " WHERE number = 1"
            ],
            "version us-ranker@1 has another created_at",
            id="date-edited",
        ),
        pytest.param(
            [
                "DELETE FROM model_aliases",
                "DELETE FROM model_versions WHERE number = 1",
            ],
            "version us-ranker@1 was registered by event 1, and its row is gone",
            id="row-deleted",
        ),
        pytest.param(
            [
                "UPDATE model_versions SET number = 99 WHERE number = 1",
                "UPDATE model_versions SET number = 1 WHERE number = 2",
                "UPDATE model_versions SET number = 2 WHERE number = 99",
            ],
            "version us-ranker@1 has another version_id",
            id="rows-exchanged",
        ),
        pytest.param(
            ["UPDATE model_aliases SET version_id = (SELECT id FROM model_versions WHERE number = 1)"],
            "alias champion of us-ranker names version 1, and its last event says version 2",
            id="alias-moved",
        ),
        pytest.param(
            ["DELETE FROM model_aliases"],
            "alias champion of us-ranker names no version, and its last event says version 2",
            id="alias-deleted",
        ),
        pytest.param(
            [
                "INSERT INTO model_aliases (id, model, alias, version_id, moved_at) SELECT 77, model, 'challenger', "
                "version_id, moved_at FROM model_aliases"
            ],
            "alias challenger of us-ranker names version 2, and its last event says no version",
            id="alias-added",
        ),
        pytest.param(
            ["UPDATE audit_events SET actor = 'eve' WHERE id = 2"], "event 2 of the audit chain", id="event-edited"
        ),
        pytest.param(["DELETE FROM audit_events WHERE id = 2"], "event 3 of the audit chain", id="event-deleted"),
        pytest.param(
            [
                "UPDATE audit_events SET id = 99 WHERE id = 2",
                "UPDATE audit_events SET id = 2 WHERE id = 3",
                "UPDATE audit_events SET id = 3 WHERE id = 99",
            ],
            "event 2 of the audit chain",
            id="events-exchanged",
        ),
        pytest.param(
            ["DELETE FROM audit_events WHERE id = 4"],
            "alias champion of us-ranker names version 2, and its last event says version 1",
            id="last-event-deleted",
        ),
        pytest.param(
            ["DELETE FROM audit_events WHERE id >= 3"],
            "version us-ranker@2 has a row, and no event registered it",
            id="last-events-deleted",
        ),
    ],
)
def test_tampering_is_found_and_named(used: Context, statements: list[str], fault: str) -> None:
    used.database.write(lambda session: [session.execute(text(statement)) for statement in statements] and None)
    report = registry.audit(used)
    assert not report.intact
    assert report.fault.startswith(fault)


@pytest.mark.parametrize("kind", ["artifact", "evaluation"])
@pytest.mark.parametrize("damage", ["edited", "gone"])
def test_a_damaged_file_is_found_and_named(used: Context, kind: str, damage: str) -> None:
    version = registry.version(used, MODEL, 2)
    name = version.artifact_sha256 if kind == "artifact" else version.evaluation_sha256
    file = used.artifacts.root / name[:2] / name
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    report = registry.audit(used)
    assert not report.intact
    assert f"the {kind} of us-ranker@" in report.fault


def test_a_roll_back_refuses_an_alias_that_was_moved_by_hand(used: Context) -> None:
    move = "UPDATE model_aliases SET version_id = (SELECT id FROM model_versions WHERE number = 1)"
    used.database.write(lambda session: session.execute(text(move)) and None)
    with pytest.raises(Corrupt, match="investlab model audit"):
        registry.rollback(used, MODEL, actor="ada")


@pytest.mark.slow
def test_processes_that_register_at_once_get_consecutive_numbers(context: Context, database_url: str) -> None:
    runs = [trained(context, number).run_id for number in range(1, 13)]
    home = str(context.settings.home_path)
    parts = [runs[0:8], runs[4:12], runs[::-1]]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = list(pool.map(register_runs, [home] * 3, [database_url] * 3, parts))
    versions = registry.versions(context, MODEL)
    assert [version.number for version in versions] == list(range(1, 13))
    numbers = {version.lineage.training_run: version.number for version in versions}
    assert [[numbers[run] for run in part] for part in parts] == told
    assert len([event for event in _events(context) if event.action == "model.registered"]) == 12
    assert registry.audit(context).intact


@pytest.mark.slow
def test_processes_that_promote_at_once_leave_one_champion_and_lose_no_event(
    context: Context, database_url: str
) -> None:
    for number in range(1, 7):
        registered(context, number, 0.01 * number)
    home = str(context.settings.home_path)
    parts = [[1, 2, 3, 4], [4, 3, 2, 1], [5, 6, 2, 6]]
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = list(pool.map(promote_versions, [home] * 3, [database_url] * 3, parts))
    moves = [event for event in _events(context) if event.action != "model.registered"]
    assert len([event for event in moves if event.action == "model.promoted"]) == sum(moved for moved, _ in told)
    assert len([event for event in moves if event.action == "model.assessed"]) == sum(refused for _, refused in told)
    assert _aliases(context)[Alias.CHAMPION] == moves[-1].details["aliases"]["champion"]
    for before, event in pairwise(moves):
        assert event.details["previous"] == before.details["aliases"].get("champion")
    assert registry.audit(context).intact
