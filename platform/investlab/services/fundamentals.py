"""Figures from companies' reports: brought in from a file, and laid beside the prices of a panel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from investlab.core.clock import require_aware
from investlab.core.errors import Conflict, InvalidInput, InvestlabError, NotFound
from investlab.features.fundamentals import FUNDAMENTAL_FEATURES
from investlab.market.fundamentals import with_fundamentals
from investlab.market.panel import PricePanel
from investlab.providers.file_blocks import Place
from investlab.providers.fundamentals import FiledFigure, read_fundamentals
from investlab.schemas.catalog import IngestStart
from investlab.schemas.fundamentals import FundamentalFact, FundamentalsReceipt
from investlab.services.context import Context
from investlab.store.database import Session
from investlab.store.repositories import actions, audit, datasets, fundamentals, ingests
from investlab.store.symbol_directory import symbols_within
from investlab.store.symbol_index import SymbolIndex

PROVIDER = "fundamentals"
FIGURES = tuple(dict.fromkeys(name for each in FUNDAMENTAL_FEATURES.values() for name in each.metrics))
"""The metrics that our features read."""


@dataclass(frozen=True, slots=True)
class FiguresRequest:
    """Which file of figures to bring in; the run is recorded with the dataset whose instruments they are of.

    With `skip_unknown`, figures of symbols that no instrument bears are left out and named in the receipt.
    """

    path: Path
    dataset: str
    skip_unknown: bool = False


@dataclass(frozen=True, slots=True)
class _Resolved:
    facts: list[FundamentalFact]
    left_out: list[str]


def ingest_fundamentals(context: Context, request: FiguresRequest) -> FundamentalsReceipt:
    """Record the figures of a CSV file; the same file again changes nothing, a restatement is a further row.

    A figure belongs to the instrument that bore its symbol on the day of filing; one filed before the symbol's first
    day to the only instrument that ever bore it.

    Raises:
        NotFound: There is no such dataset, or no instrument bears a symbol on the day; near matches are named.
        InvalidInput: The file is not as it must be; its line and column are named.
        Conflict: A figure was recorded with the same time of filing and another value.
        StorageUnavailable: The file cannot be read.
    """
    figures = read_fundamentals(request.path)
    run_id = context.new_id("in", PROVIDER, request.dataset, request.path.name)
    return context.database.write(lambda session: _record(session, context, request, figures, run_id))


def fundamental_panel(context: Context, panel: PricePanel, metrics: Sequence[str] = FIGURES) -> PricePanel:
    """Return the panel with one more field per metric, each figure as it was known at the session's close.

    `market.fundamentals.with_fundamentals` says which figure counts and when it is stale. Figures filed after the
    panel's as-of time are left out, whenever they were stored; share counts grow with the splits of its dataset.

    Raises:
        InvalidInput: The panel was made from frames, or no metric is given.
        NotFound: No figure of a metric was ever ingested; near matches are named.
        MixedData: A figure is in another currency than the panel.
    """
    number = panel.source.dataset_version
    if number is None:
        raise InvalidInput(
            "This panel was made from frames, so it is not known which instruments it is of.",
            remedy="Ingest the prices and use lab.panel.",
        )
    if not metrics:
        raise InvalidInput("No metric is given.", remedy=f"Name some, such as {', '.join(FIGURES)}.")
    as_of = panel.source.as_of or context.as_of
    ids = [ref.instrument_id for ref in panel.listing]
    with context.database.read() as session:
        _check_metrics(metrics, fundamentals.metrics(session))
        history = fundamentals.facts_history(session, ids, metrics, as_of=as_of)
        stored_at = datasets.version(session, panel.source.dataset, number).ingested_at
        told = actions.actions_as_of(session, panel.source.dataset, ids, as_of=as_of, ingested_by=stored_at)
    return with_fundamentals(panel, history, told, metrics)


def known_metrics(context: Context, names: Sequence[str]) -> tuple[str, ...]:
    """Return those names that are metrics of which figures were ingested, in their order."""
    if not names:
        return ()
    with context.database.read() as session:
        known = fundamentals.metrics(session)
    return tuple(name for name in names if name in known)


def _check_metrics(metrics: Sequence[str], known: Sequence[str]) -> None:
    for metric in metrics:
        if metric not in known:
            raise NotFound.named(
                "metric", metric, known, remedy="`investlab data fundamentals FILE` brings figures in."
            )


def _record(
    session: Session, context: Context, request: FiguresRequest, figures: Sequence[FiledFigure], run_id: str
) -> FundamentalsReceipt:
    now = context.clock.now()
    start = IngestStart(
        ingest_run_id=run_id,
        dataset=request.dataset,
        provider=PROVIDER,
        started_at=now,
        pipeline_step=context.settings.pipeline_step,
    )
    ingests.start_ingest(session, start)
    resolved = _resolve(session, request, figures)
    counts = fundamentals.add_facts(session, resolved.facts, ingest_run_id=run_id, at=now)
    moments = [require_aware(fact.known_at) for fact in resolved.facts]
    receipt = FundamentalsReceipt(
        dataset=request.dataset,
        file=request.path.name,
        counts=counts,
        instruments=len({fact.instrument_id for fact in resolved.facts}),
        metrics=tuple(sorted({fact.metric for fact in resolved.facts})),
        first_known_at=min(moments, default=None),
        last_known_at=max(moments, default=None),
        left_out=tuple(sorted(set(resolved.left_out))),
        ingest_run_id=run_id,
    )
    details = {"file": receipt.file, "metrics": list(receipt.metrics), "left_out": list(receipt.left_out)}
    ingests.complete_ingest(session, run_id, counts, quality=details, at=now)
    audit.append_event(
        session, context.owner, "fundamentals.ingested", request.dataset, {**details, **counts.model_dump()}, at=now
    )
    return receipt


def _resolve(session: Session, request: FiguresRequest, figures: Sequence[FiledFigure]) -> _Resolved:
    index = symbols_within(session, symbols={figure.draft.symbol for figure in figures})
    resolved = _Resolved([], [])
    for figure in figures:
        draft = figure.draft
        try:
            instrument_id = _bearer(index, draft.symbol, draft.known_at)
        except (NotFound, Conflict) as error:
            if isinstance(error, NotFound) and request.skip_unknown:
                resolved.left_out.append(draft.symbol)
                continue
            raise _placed(error, request.path.name, figure.line) from error
        resolved.facts.append(FundamentalFact(instrument_id=instrument_id, **draft.model_dump(exclude={"symbol"})))
    return resolved


def _bearer(index: SymbolIndex, symbol: str, filed_at: datetime) -> int:
    """Return the instrument that a figure filed then under a symbol is of."""
    day = filed_at.date()
    periods = index.periods(symbol)
    ever = {period.ref.instrument_id for period in periods}
    if len(ever) == 1 and all(period.valid_from > day for period in periods):
        return ever.pop()
    return index.bearers_on([(symbol, day)])[0].instrument_id


def _placed(error: InvestlabError, file: str, line: int) -> InvestlabError:
    """Return an error about a symbol that says where in the file it stands."""
    place = Place(file, line, "symbol")
    return type(error)(f"{place}: {error.detail}", remedy=error.remedy, details={**error.details, "line": line})
