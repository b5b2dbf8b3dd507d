"""Repairs at the start: what a crash or a torn disk left in the bar tables is mended before anything is read."""

import logging
from functools import partial

from investlab.core.errors import Busy, InvestlabError, StorageUnavailable
from investlab.services.context import Context
from investlab.services.prices import version_pin
from investlab.store.database import Session
from investlab.store.market import Repair, VersionPin
from investlab.store.repositories import audit, datasets

logger = logging.getLogger(__name__)


def repair_market(context: Context) -> dict[str, tuple[Repair, ...]]:
    """Repair every dataset whose newest commits are damaged and return what was done, by dataset.

    Each repair is logged with what was lost and recorded in the audit chain. A home that cannot be written, or whose
    dataset another process is writing, is left as it is: reads then say what is damaged.
    """
    done = {}
    with context.database.read() as session:
        names = [info.name for info in datasets.list_datasets(session)]
    for name in names:
        if not context.market.needs_repair(name, _recorded(context, name)):
            continue
        try:
            with context.market.writing(name, timeout_seconds=0):
                found = context.market.repair(name, _recorded(context, name))
        except Busy:
            continue  # whoever is writing it clears what was left
        except StorageUnavailable as error:
            logger.warning("The bars of dataset %r need a repair, which waits: %s", name, error.sentence)
            continue
        # A commit that is gone with its copy cannot be mended: it was told when it was found, and reads name it.
        repairs = tuple(repair for repair in found if (repair.damage, repair.action) != ("missing", "lost"))
        _tell(context, name, repairs)
        if repairs:
            done[name] = repairs
    return done


def _recorded(context: Context, name: str) -> VersionPin | None:
    with context.database.read() as session:
        version = datasets.latest_version(session, name)
    return version_pin(version) if version else None


def _tell(context: Context, name: str, repairs: tuple[Repair, ...]) -> None:
    for repair in repairs:
        details = {
            "table": repair.table,
            "commit": repair.commit,
            "damage": repair.damage,
            "action": repair.action,
            "lost": repair.lost,
        }
        logger.warning(
            "Dataset %r: commit %d of its %s was found %s and was %s; lost: %s.",
            *(name, repair.commit, repair.table, repair.damage, repair.action, repair.lost or "nothing"),
        )
        try:
            context.database.write(partial(_record, context=context, name=name, details=details))
        except InvestlabError as error:
            logger.warning("The repair of dataset %r could not be recorded: %s", name, error.sentence)


def _record(session: Session, *, context: Context, name: str, details: dict[str, object]) -> None:
    audit.append_event(session, context.owner, "dataset.repaired", name, details, at=context.clock.now())
