"""Sealed holdouts: the last part of a dataset that no panel shows until it is opened, and every opening is counted.

Seals and openings are events of the audit chain, so none can be taken back or left out. They belong to an owner and a
dataset, all its versions. Serving, the replay and the reproduction of recorded runs are not research and read on.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pandas as pd

from investlab.core.clock import parse_session
from investlab.core.errors import Conflict, HoldoutSealed, InvalidInput
from investlab.market.panel import PricePanel
from investlab.schemas.audit import AuditEvent
from investlab.services.context import Context
from investlab.store.database import Session
from investlab.store.repositories import audit, datasets

SEALED, OPENED = "holdout.sealed", "holdout.opened"
_SAID = "The holdout of "


@dataclass(frozen=True, slots=True)
class Opening:
    """One opening of a holdout: when, by whom and why."""

    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Holdout:
    """A dataset's sessions from `start` on, sealed, and every time they were opened."""

    dataset: str
    start: date
    openings: tuple[Opening, ...] = ()

    @property
    def sentence(self) -> str:
        """Return what every result computed over the holdout says."""
        count = len(self.openings)
        return f"{_SAID}{self.dataset} from {self.start} was opened {count} {'time' if count == 1 else 'times'}."


def seal_holdout(context: Context, dataset: str, start: str | date) -> Holdout:
    """Seal a dataset's sessions from `start` on, for this workspace's owner; sealing again changes nothing.

    Raises:
        NotFound: There is no such dataset.
        InvalidInput: The start is no date.
        Conflict: A seal starts earlier already: a holdout may grow, never shrink.
    """
    day = parse_session(start, "start")
    if day is None:
        raise InvalidInput("The holdout has no start.", remedy="Give start='2019-01-01', its first session.")

    def seal(session: Session) -> Holdout:
        datasets.dataset(session, dataset)
        found = _holdout(session, context.owner, dataset)
        if found is not None and found.start < day:
            raise Conflict(
                f"The holdout of {dataset} starts at {found.start}; it may start earlier, never later.",
                remedy=f"Keep it, or open it: lab.open_holdout({dataset!r}, reason=…), which is counted.",
            )
        if found is None or found.start != day:
            _append(session, context, SEALED, dataset, {"start": day.isoformat()})
        return Holdout(dataset, day, () if found is None else found.openings)

    return context.database.write(seal)


def open_holdout(context: Context, dataset: str, reason: str) -> tuple[Context, Holdout]:
    """Return a context that reads the holdout, and the holdout with this opening counted.

    Raises:
        InvalidInput: The dataset has no holdout, or no reason is given.
    """
    if not reason.strip():
        raise InvalidInput("An opening needs its reason.", remedy="Say what it is for: reason='final test of …'.")

    def note(session: Session) -> Holdout:
        datasets.dataset(session, dataset)
        if _holdout(session, context.owner, dataset) is None:
            raise InvalidInput(
                f"Dataset {dataset!r} has no holdout.", remedy=f"Seal one: lab.seal_holdout({dataset!r}, start=…)."
            )
        _append(session, context, OPENED, dataset, {"reason": reason.strip()})
        return _required(_holdout(session, context.owner, dataset))

    found = context.database.write(note)
    return replace(context, opened_holdouts=context.opened_holdouts | {dataset}), found


def admitted(context: Context, panel: PricePanel) -> PricePanel:
    """Return a panel that this workspace may look at; one that shows an opened holdout says how often it was opened.

    Raises:
        HoldoutSealed: The panel reaches into a holdout that this workspace has not opened.
    """
    with context.database.read() as session:
        found = _holdout(session, context.owner, panel.source.dataset)
    if found is None or panel.last_session < found.start:
        return panel
    if found.dataset not in context.opened_holdouts:
        before = panel.sessions[panel.sessions < np.datetime64(found.start)]
        end = f"End the panel before it (end='{before[-1]}'), or open it" if len(before) else "Open it"
        raise HoldoutSealed(
            f"The panel reaches to {panel.last_session}, and {found.dataset} is sealed from {found.start} on.",
            remedy=f"{end}: lab.open_holdout({found.dataset!r}, reason=…), which is counted.",
        )
    known = tuple(bias for bias in panel.source.biases if not bias.startswith(_SAID))
    return replace(panel, source=replace(panel.source, biases=(*known, found.sentence)))


def holdouts_frame(context: Context) -> pd.DataFrame:
    """Return the owner's holdouts ordered by dataset: start, openings, and when and why it was opened last."""
    with context.database.read() as session:
        names = sorted({info.name for info in datasets.list_datasets(session)})
        found = [one for one in (_holdout(session, context.owner, name) for name in names) if one is not None]
    rows = [
        {
            "dataset": one.dataset,
            "start": one.start,
            "openings": len(one.openings),
            "opened last": one.openings[-1].at if one.openings else None,
            "reason": one.openings[-1].reason if one.openings else "",
        }
        for one in found
    ]
    return pd.DataFrame(rows, columns=["dataset", "start", "openings", "opened last", "reason"]).set_index("dataset")


def _holdout(session: Session, owner: str, dataset: str) -> Holdout | None:
    subject = _subject(owner, dataset)
    if not audit.is_known(session, subject):
        return None
    events = audit.events_of(session, (SEALED, OPENED), subject=subject)
    seals = [event for event in events if event.action == SEALED]
    if not seals:
        return None
    openings = tuple(_opening(event) for event in events if event.action == OPENED)
    return Holdout(dataset, date.fromisoformat(seals[-1].details["start"]), openings)


def _opening(event: AuditEvent) -> Opening:
    return Opening(event.at, event.actor, event.details["reason"])


def _append(session: Session, context: Context, action: str, dataset: str, details: dict[str, str]) -> None:
    subject = _subject(context.owner, dataset)
    audit.append_event(session, context.owner, action, subject, details, at=context.clock.now())


def _subject(owner: str, dataset: str) -> str:
    return f"holdout:{owner}/{dataset}"


def _required(found: Holdout | None) -> Holdout:
    if found is None:
        raise Conflict("The holdout is gone.", remedy="Seal it again.")
    return found
