"""The registry's events in the audit chain: what they are called, and what they say of a model's aliases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from investlab.schemas.audit import AuditEvent
from investlab.schemas.registry import Alias, ModelVersionInfo
from investlab.store.database import Session
from investlab.store.repositories import audit

REGISTERED = "model.registered"
ASSESSED = "model.assessed"
PROMOTED = "model.promoted"
ROLLED_BACK = "model.rolled_back"
MOVES = (ASSESSED, PROMOTED, ROLLED_BACK)
ACTIONS = (REGISTERED, *MOVES)


@dataclass(frozen=True, slots=True)
class AliasHistory:
    """What a model's events say: where its aliases point, and the champions one could roll back to, oldest first.

    A promotion adds its champion, a roll back removes the last one.
    """

    aliases: Mapping[Alias, int] = field(default_factory=dict)
    champions: tuple[int, ...] = ()


def registered_details(version: ModelVersionInfo) -> dict[str, Any]:
    """Return what the event of a registration says of the version."""
    return {
        "number": version.number,
        "version_id": version.version_id,
        "content_hash": version.content_hash,
        "artifact_sha256": version.artifact_sha256,
        "training_run": version.lineage.training_run,
    }


def history_of(session: Session, model: str) -> AliasHistory:
    """Return what the events of a model add up to."""
    history = AliasHistory()
    for event in audit.events_of(session, MOVES, subject=model):
        history = after(history, event)
    return history


def histories(session: Session) -> dict[str, AliasHistory]:
    """Return what the events of every model add up to."""
    found: dict[str, AliasHistory] = {}
    for event in audit.events_of(session, MOVES):
        found[event.subject] = after(found.get(event.subject, AliasHistory()), event)
    return found


def after(history: AliasHistory, event: AuditEvent) -> AliasHistory:
    """Return the history with one more event."""
    aliases = {Alias(name): int(number) for name, number in event.details["aliases"].items()}
    champions = history.champions
    if event.action == PROMOTED:
        champions = (*champions, int(event.details["number"]))
    elif event.action == ROLLED_BACK:
        champions = champions[:-1]
    return AliasHistory(aliases, champions)
