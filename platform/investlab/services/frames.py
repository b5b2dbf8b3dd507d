"""Records as the frames that notebooks and commands show."""

from collections.abc import Sequence

import pandas as pd

from investlab.schemas.registry import ModelVersionInfo
from investlab.services import prices
from investlab.services.context import Context
from investlab.store.repositories import actions, datasets


def datasets_frame(context: Context) -> pd.DataFrame:
    """Return the datasets ordered by name: latest version, basis, rows, span, source, licence and biases."""
    with context.database.read() as session:
        infos = datasets.list_datasets(session)
        latest = {info.name: datasets.latest_version(session, info.name) for info in infos}
    rows = []
    for info in infos:
        version = latest[info.name]
        rows.append(
            {
                "dataset": info.name,
                "title": info.title,
                "version": version.number if version else 0,
                "basis": str(info.price_basis),
                "currency": info.currency,
                "fields": ", ".join(info.fields),
                "instruments": version.instruments if version else 0,
                "rows": version.rows if version else 0,
                "first session": version.first_session if version else None,
                "last session": version.last_session if version else None,
                "source": info.source,
                "licence": info.licence,
                "biases": "; ".join(info.biases),
                "synthetic": info.synthetic,
            }
        )
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["dataset"]).set_index("dataset")


def actions_frame(context: Context, dataset: str) -> pd.DataFrame:
    """Return a dataset's corporate actions as known at the context's time, ordered by ex-date and symbol."""
    names = {ref.instrument_id: ref.symbol for ref in prices.dataset_instruments(context, dataset)}
    with context.database.read() as session:
        found = actions.actions_as_of(session, dataset, as_of=context.as_of)
    columns = ["ex_date", "symbol", "kind", "value", "known_at", "assumed", "source"]
    rows = [
        {**action.model_dump(), "kind": str(action.kind), "symbol": names[action.instrument_id]} for action in found
    ]
    return pd.DataFrame(rows, columns=columns).sort_values(["ex_date", "symbol"], ignore_index=True)


def models_frame(versions: Sequence[ModelVersionInfo]) -> pd.DataFrame:
    """Return model versions as a frame indexed by their label."""
    rows = [
        {
            "version": version.label,
            "aliases": ", ".join(version.aliases),
            "learner": version.learner,
            "IC": version.scorecard.information_coefficient,
            "IC low": version.scorecard.interval_low,
            "IC high": version.scorecard.interval_high,
            "sessions": version.scorecard.observations,
            "dataset": f"{version.lineage.dataset}@{version.lineage.dataset_version}",
            "as of": None if version.lineage.as_of is None else version.lineage.as_of.date(),
            "training run": version.lineage.training_run,
            "created": version.created_at.replace(microsecond=0),
        }
        for version in versions
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["version"]).set_index("version")
