"""The registry: versions are registered once and never change, aliases move between them by a written rule.

Every change is one write unit together with its event in the audit chain and its message on topic `system`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from investlab.core.errors import Busy, Conflict, Corrupt
from investlab.live.topics import SYSTEM
from investlab.ml.evaluation import Evaluation
from investlab.ml.registry import PromotionRule, decide_promotion, incomparable, refuse_promotion
from investlab.ml.trained import TrainedModel
from investlab.schemas.audit import AuditEvent
from investlab.schemas.registry import Alias, ModelVersionInfo, PromotionDecision, PromotionReceipt
from investlab.services.context import Context
from investlab.services.registry_audit import audit
from investlab.services.registry_checks import check_artifact, check_name
from investlab.services.registry_events import (
    ASSESSED,
    PROMOTED,
    REGISTERED,
    ROLLED_BACK,
    history_of,
    registered_details,
)
from investlab.store.database import Session
from investlab.store.repositories import audit as chain
from investlab.store.repositories import outbox, registry

RULE = PromotionRule()
_ATTEMPTS = 10

__all__ = ["RULE", "assess", "audit", "champion", "consider", "promote", "register", "rollback", "version", "versions"]


@dataclass(frozen=True, slots=True)
class _Move:
    """A version that is to get an alias, weighed against the champion of that moment."""

    version: ModelVersionInfo
    champion: int | None
    decision: PromotionDecision
    forced: bool

    @property
    def is_promotion(self) -> bool:
        return self.decision.promote or self.forced


def register(context: Context, trained: TrainedModel, model: str) -> ModelVersionInfo:
    """Return the version of `model` that a training run gave; registering it again gives the same version.

    Raises:
        InvalidInput: The name cannot be used, the artifact is in no safe format, or a feature is unknown here.
        Conflict: The training run did not complete.
        Corrupt: The artifact is damaged or cannot be loaded.
    """
    check_name(model)
    run = trained.run
    if run.artifact_sha256 is None or run.artifact_format is None or run.signature is None:
        raise Conflict(f"Training run {run.run_id} has no model: it is {run.status}.", remedy="Train it again.")
    check_artifact(context.artifacts.get(run.artifact_sha256), run.artifact_format, run.signature)
    context.artifacts.get(run.evaluation_sha256 or "")
    at = context.clock.now()

    def unit(session: Session) -> ModelVersionInfo:
        found, is_new = registry.add_version(session, model, run.run_id, at=at)
        if is_new:
            details = registered_details(found)
            chain.append_event(session, context.owner, REGISTERED, model, details, at=at)
            outbox.enqueue(session, SYSTEM, {"event": REGISTERED, "model": model, "number": found.number}, at=at)
        return found

    return context.database.write(unit)


def assess(context: Context, model: str, number: int) -> PromotionDecision:
    """Return what the promotion rule says of a version beside the present champion; nothing is changed.

    Raises:
        NotFound: There is no such model or version.
    """
    return _weigh(context, model, number, forced=False).decision


def promote(context: Context, model: str, number: int, *, actor: str, force: bool = False) -> PromotionReceipt:
    """Make a version champion if the rule allows it; promoting the present champion changes nothing.

    A refused version becomes challenger, and its assessment an event. `force` overrules the rule, and the event says
    so.

    Raises:
        NotFound: There is no such model or version.
        Conflict: The rule refuses it; its reason is told.
        Corrupt: The version's artifact or an evaluation is damaged.
        Busy: Others promoted all the time.
    """
    receipt = consider(context, model, number, actor=actor, force=force)
    if receipt.champion != number and receipt.decision is not None:
        raise Conflict(
            f"{model}@{number} was not promoted: {receipt.decision.reason}",
            remedy="It is challenger now; train a better one, or overrule the rule with force.",
            details={"model": model, "number": number, "decision": receipt.decision.model_dump(mode="json")},
        )
    return receipt


def consider(context: Context, model: str, number: int, *, actor: str, force: bool = False) -> PromotionReceipt:
    """Promote a version if the rule allows it, else make it challenger; the receipt says which and why.

    Raises:
        NotFound: There is no such model or version.
        Corrupt: The version's artifact or an evaluation is damaged.
        Busy: Others promoted all the time.
    """
    for _ in range(_ATTEMPTS):
        move = _weigh(context, model, number, forced=force)
        receipt = context.database.write(partial(_promote, move, actor, context.clock.now()))
        if receipt is not None:
            return receipt
    raise Busy(f"The champion of {model} changed again and again.", remedy="Try again in a few seconds.")


def rollback(context: Context, model: str, *, actor: str) -> PromotionReceipt:
    """Make the champion before the present one champion again; done again it goes back one further.

    Raises:
        NotFound: There is no such model.
        Conflict: There was no champion before.
        Corrupt: The alias does not point where the last event says.
    """
    at = context.clock.now()

    def unit(session: Session) -> PromotionReceipt:
        registry.version(session, model, 1)
        history, held = history_of(session, model), registry.aliases(session, model)
        if dict(history.aliases) != held:
            raise Corrupt(
                f"The aliases of {model} are not where its last event says.", remedy="Run `investlab model audit`."
            )
        if len(history.champions) < 2:
            raise Conflict(f"{model} had no champion before.", remedy="Promote another version instead.")
        present, before = history.champions[-1], history.champions[-2]
        moved = {**held, Alias.CHAMPION: before}
        if moved.get(Alias.CHALLENGER) == before:
            del moved[Alias.CHALLENGER]
        version = registry.version(session, model, before)
        event = _move(session, actor, ROLLED_BACK, version, moved, {"previous": present}, at)
        return _receipt(model, moved, present, None, event)

    return context.database.write(unit)


def champion(context: Context, model: str) -> ModelVersionInfo | None:
    """Return the champion of a model; None when it has none."""
    with context.database.read() as session:
        return registry.aliased(session, model, Alias.CHAMPION)


def versions(context: Context, model: str | None = None) -> list[ModelVersionInfo]:
    """Return the versions of one model, or of all, ordered by model and number."""
    with context.database.read() as session:
        return registry.versions(session, model)


def version(context: Context, model: str, number: int) -> ModelVersionInfo:
    """Return one version.

    Raises:
        NotFound: There is no such model or version.
    """
    with context.database.read() as session:
        return registry.version(session, model, number)


def _weigh(context: Context, model: str, number: int, *, forced: bool) -> _Move:
    """Decide on the stored evaluations, outside of any write unit: reading files takes time."""
    with context.database.read() as session:
        challenger = registry.version(session, model, number)
        present = registry.aliased(session, model, Alias.CHAMPION)
    context.artifacts.get(challenger.artifact_sha256)
    rival = None if present is None or present.number == number else present
    decision = _decide(context, challenger, rival)
    return _Move(challenger, None if present is None else present.number, decision, forced)


def _decide(context: Context, challenger: ModelVersionInfo, rival: ModelVersionInfo | None) -> PromotionDecision:
    own = _evaluation(context, challenger)
    other = None if rival is None else _evaluation(context, rival)
    apart = None if rival is None else incomparable(challenger.lineage, rival.lineage)
    return decide_promotion(own, other, RULE) if apart is None else refuse_promotion(apart, RULE)


def _promote(move: _Move, actor: str, at: datetime, session: Session) -> PromotionReceipt | None:
    """Move the alias; None when the champion is another one than the version was weighed against."""
    model, number = move.version.model, move.version.number
    held = registry.aliases(session, model)
    if held.get(Alias.CHAMPION) != move.champion:
        return None
    if move.champion == number:
        return _receipt(model, held, number, None, None)
    moved = dict(held)
    if move.is_promotion:
        moved[Alias.CHAMPION] = number
        if moved.get(Alias.CHALLENGER) == number:
            del moved[Alias.CHALLENGER]
    else:
        moved[Alias.CHALLENGER] = number
    action = PROMOTED if move.is_promotion else ASSESSED
    told = {
        "previous": move.champion,
        "forced": move.forced and not move.decision.promote,
        "decision": move.decision.model_dump(mode="json"),
    }
    event = _move(session, actor, action, move.version, moved, told, at)
    return _receipt(model, moved, move.champion, move.decision, event)


def _move(
    session: Session,
    actor: str,
    action: str,
    version: ModelVersionInfo,
    moved: Mapping[Alias, int],
    told: Mapping[str, Any],
    at: datetime,
) -> AuditEvent:
    """Let the aliases be as in `moved`, and append the event and the message that tell of it."""
    for alias in Alias:
        registry.move_alias(session, version.model, alias, moved.get(alias), at=at)
    named = {str(alias): number for alias, number in moved.items()}
    details = {**registered_details(version), "aliases": named, **told}
    event = chain.append_event(session, actor, action, version.model, details, at=at)
    message = {"event": action, "model": version.model, "number": version.number, "aliases": named}
    outbox.enqueue(session, SYSTEM, {**message, "previous": told.get("previous")}, at=at)
    return event


def _receipt(
    model: str,
    aliases: Mapping[Alias, int],
    previous: int | None,
    decision: PromotionDecision | None,
    event: AuditEvent | None,
) -> PromotionReceipt:
    return PromotionReceipt(
        model=model,
        champion=aliases.get(Alias.CHAMPION),
        previous=previous,
        challenger=aliases.get(Alias.CHALLENGER),
        decision=decision,
        event_hash=None if event is None else event.hash,
    )


def _evaluation(context: Context, version: ModelVersionInfo) -> Evaluation:
    return Evaluation.from_bytes(context.artifacts.get(version.evaluation_sha256))
