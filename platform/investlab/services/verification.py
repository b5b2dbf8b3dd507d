"""Is everything a home holds whole? The database, the audit chain, artifacts, stored bars and predictions."""

from collections.abc import Callable, Iterable
from functools import partial

from investlab.core.config import Settings
from investlab.core.errors import InvestlabError
from investlab.migrations.runner import current, differences, head, pending
from investlab.schemas.backups import DatabaseState, DatabaseStats
from investlab.services import registry_audit
from investlab.services.context import Context
from investlab.services.doctor import DoctorFinding
from investlab.services.prices import version_pin
from investlab.store import database_health
from investlab.store.artifacts import SHA256
from investlab.store.database import Database
from investlab.store.database_health import integrity_faults, reference_faults
from investlab.store.durable_files import lasting_files
from investlab.store.market_backups import unreadable_versions
from investlab.store.repositories import datasets

REMEDY = "Restore it from a backup: `investlab db restore FOLDER --replace`."
_SHOWN = 3


def database_state(settings: Settings) -> DatabaseState:
    """Return where the database is and at which revision, without its password.

    Raises:
        StorageUnavailable: It cannot be reached.
    """
    database, url = Database(settings.sqlalchemy_url), settings.sqlalchemy_url
    at = current(url)
    try:
        steps = tuple(pending(url))
    except InvestlabError:  # a newer database has no steps of ours before it
        steps = ()
    return DatabaseState(
        place=database.place,
        kind="sqlite" if database.is_sqlite else "postgresql",
        revision=at,
        head=head(),
        pending=steps,
    )


def database_stats(settings: Settings) -> DatabaseStats:
    """Return how large the database and its tables are.

    Raises:
        StorageUnavailable: It cannot be reached.
    """
    return database_health.database_stats(settings.sqlalchemy_url)


def verify_database(settings: Settings) -> list[DoctorFinding]:
    """Check the database alone: its pages and rows, its foreign keys, and that its tables are the model's.

    Raises:
        StorageUnavailable: It cannot be reached.
    """
    url = settings.sqlalchemy_url
    faults = integrity_faults(url)
    findings = [_finding("database", faults, "every page and row can be read")]
    if faults:
        return findings
    findings.append(_finding("foreign keys", reference_faults(url), "every reference leads to a row"))
    state = database_state(settings)
    if state.revision != state.head:
        seen = f"revision {state.revision or 'none'}, this version works with {state.head}"
        return [*findings, DoctorFinding(check="schema", state="problem", seen=seen, remedy=_upgrade_remedy(state))]
    return [*findings, _finding("schema", differences(url), f"revision {state.head}, equal to the model")]


def verify_stores(context: Context, say: Callable[[str], None]) -> list[DoctorFinding]:
    """Check what the database refers to: the audit chain, artifacts, stored bars and predictions."""
    say("checking the audit chain and the registry")
    registered = registry_audit.audit(context)
    chain = _finding("audit chain", list(filter(None, [registered.fault])), f"{registered.events:,} events agree")
    findings = [chain, _artifacts(context)]
    say("checking stored bars")
    return [*findings, *_mended(context), *_bars(context), _predictions(context)]


def _mended(context: Context) -> list[DoctorFinding]:
    return [
        DoctorFinding(
            check=f"bars of {name}",
            state="warning",
            seen=f"commit {repair.commit} of its {repair.table} was found {repair.damage} just now and was "
            f"{repair.action}; lost: {repair.lost or 'nothing'}",
            remedy="Look at the disk's health: a whole file does not turn bad by itself.",
        )
        for name, repairs in context.mended.items()
        for repair in repairs
    ]


def _artifacts(context: Context) -> DoctorFinding:
    names = [path.name for path in lasting_files(context.artifacts.root) if SHA256.fullmatch(path.name)]
    faults = _errors(partial(context.artifacts.get, name) for name in names)
    return _finding("artifacts", faults, f"{len(names):,} files have their hash")


def _bars(context: Context) -> list[DoctorFinding]:
    findings = []
    with context.database.read() as session:
        names = [info.name for info in datasets.list_datasets(session)]
        recorded = {name: datasets.versions(session, name) for name in names}
        held = {name: {version.number for version in datasets.pinned_versions(session, name)} for name in names}
    for name, versions in recorded.items():
        pins = {version.number: version_pin(version) for version in versions}
        needed = held[name] | {version.number for version in versions[-1:]}
        unreadable = unreadable_versions(context.market.root / name, pins)
        faults = [f"{name}@{number}: {reason}" for number, reason in unreadable.items() if number in needed]
        if versions and versions[-1].number not in unreadable:
            faults += _errors([partial(context.market.verify, name, pins[versions[-1].number], deep=True)])
        seen = f"{len(pins) - len(unreadable)} of {len(pins)} versions can be read, and every row was"
        findings.append(_finding(f"bars of {name}", faults, seen))
    return findings


def _predictions(context: Context) -> DoctorFinding:
    faults = _errors([context.predictions.read])
    return _finding("predictions", faults, "every recorded prediction can be read")


def _errors(checks: Iterable[Callable[[], object]]) -> list[str]:
    found = []
    for check in checks:
        try:
            check()
        except InvestlabError as error:
            found.append(error.detail)
    return found


def _finding(check: str, faults: list[str], seen: str) -> DoctorFinding:
    if not faults:
        return DoctorFinding(check=check, state="ok", seen=seen)
    more = f" (and {len(faults) - _SHOWN} more)" if len(faults) > _SHOWN else ""
    return DoctorFinding(check=check, state="problem", seen="; ".join(faults[:_SHOWN]) + more, remedy=REMEDY)


def _upgrade_remedy(state: DatabaseState) -> str:
    if state.pending:
        return "Run `investlab db upgrade`, then verify again for the rest."
    return "Install the newer version of investlab that made it."
