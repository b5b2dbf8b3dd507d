"""The registry's audit: chain, versions, aliases and artifacts are compared with one another."""

from collections.abc import Iterator

from investlab.core.errors import InvestlabError
from investlab.schemas.audit import AuditEvent, RegistryAudit
from investlab.schemas.registry import ModelVersionInfo
from investlab.services.context import Context
from investlab.services.registry_events import REGISTERED, histories, registered_details
from investlab.store.database import Session
from investlab.store.repositories import audit as chain
from investlab.store.repositories import registry


def audit(context: Context) -> RegistryAudit:
    """Return whether everything the registry holds is what its events say, and the first thing that is not.

    Checked in this order: the chain's links; that every version has one event, is there, and hashes to what the event
    says; that every alias points where the last event says; that each artifact and evaluation has its hash. Events cut
    from the chain's end are noticed by what they told of.
    """
    with context.database.read() as session:
        report = chain.verify_chain(session)
        versions = registry.versions(session)
        fault = f"event {report.broken_at} of the audit chain: {report.reason}" if not report.intact else ""
        fault = fault or next(_record_faults(session, versions), "")
    stored = sorted({name for v in versions for name in (v.artifact_sha256, v.evaluation_sha256)})
    fault = fault or next(_artifact_faults(context, versions), "")
    return RegistryAudit(
        intact=not fault,
        events=report.events,
        head=report.head,
        versions=len(versions),
        artifacts=len(stored),
        fault=fault,
    )


def _record_faults(session: Session, versions: list[ModelVersionInfo]) -> Iterator[str]:
    yield from _version_faults(session, versions)
    told, held = histories(session), registry.alias_table(session)
    for model in sorted({*told, *held}):
        expected = dict(told[model].aliases) if model in told else {}
        found = held.get(model, {})
        for alias in sorted({*expected, *found}):
            if expected.get(alias) != found.get(alias):
                yield (
                    f"alias {alias} of {model} names {_number(found.get(alias))}, "
                    f"and its last event says {_number(expected.get(alias))}"
                )


def _version_faults(session: Session, versions: list[ModelVersionInfo]) -> Iterator[str]:
    rows = {(version.model, version.number): version for version in versions}
    told: set[tuple[str, int]] = set()
    for event in chain.events_of(session, [REGISTERED]):
        key = (event.subject, int(event.details["number"]))
        label = f"version {key[0]}@{key[1]}"
        if key in told:
            yield f"{label} was registered by two events"
        told.add(key)
        if key not in rows:
            yield f"{label} was registered by event {event.number}, and its row is gone"
        else:
            yield from _differences(session, event, rows[key], label)
    for model, number in sorted(set(rows) - told):
        yield f"version {model}@{number} has a row, and no event registered it"


def _differences(session: Session, event: AuditEvent, version: ModelVersionInfo, label: str) -> Iterator[str]:
    for name, value in registered_details(version).items():
        if event.details.get(name) != value:
            yield f"{label} has another {name} than event {event.number} says"
    if version.created_at != event.at:
        yield f"{label} has another created_at than event {event.number} says"
    if registry.recomputed_hash(session, version.version_id) != event.details["content_hash"]:
        yield f"{label} or its training run was edited since event {event.number} registered it"


def _artifact_faults(context: Context, versions: list[ModelVersionInfo]) -> Iterator[str]:
    for version in versions:
        for kind, name in (("artifact", version.artifact_sha256), ("evaluation", version.evaluation_sha256)):
            try:
                context.artifacts.get(name)
            except InvestlabError as error:
                yield f"the {kind} of {version.label}: {error.detail}"


def _number(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"
