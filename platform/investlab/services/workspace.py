"""The workspace: one home, its stores and its as-of time; the composition root and the public face for notebooks."""

import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from html import escape
from pathlib import Path

from investlab.core.clock import Clock, SystemClock
from investlab.core.config import Settings, load_settings
from investlab.core.errors import InvalidSettings, StorageUnavailable
from investlab.core.executor import Progress, no_progress
from investlab.core.identity import code_identity
from investlab.core.logging import configure_logging
from investlab.services.context import Context
from investlab.services.home_upgrade import upgrade_home
from investlab.services.progress import progress_bar
from investlab.services.repairs import repair_market
from investlab.services.workspace_backtests import BacktestMethods
from investlab.services.workspace_base import ProgressFactory
from investlab.services.workspace_market import MarketMethods
from investlab.services.workspace_models import ModelMethods
from investlab.services.workspace_runs import RunMethods
from investlab.store.artifacts import ArtifactStore
from investlab.store.database import Database
from investlab.store.market import MarketStore
from investlab.store.panels import PanelStore
from investlab.store.predictions import PredictionStore
from investlab.store.quarantine import QuarantineStore
from investlab.store.staging import StagingStore

ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
"""What delta-rs decodes in the path of a local table, which it then does not find."""


class Workspace(MarketMethods, BacktestMethods, ModelMethods, RunMethods):
    """An open home: ingest, panels, backtests, and where every number comes from."""

    def _repr_html_(self) -> str:
        table = self.datasets()
        shown = table[[name for name in ("version", "basis", "instruments", "rows", "last session") if name in table]]
        return f"<p><code>{escape(repr(self))}</code></p>{shown.to_html() if len(table) else ''}"

    def close(self) -> None:
        """Close the database's connections."""
        self.context.database.close()


def open_workspace(
    home: str | Path | None = None,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    progress: ProgressFactory | None = None,
) -> Workspace:
    """Open the workspace at `home` (INVESTLAB_HOME, else ./var), creating its folder and database when needed.

    Raises:
        InvalidSettings: A setting cannot be used.
        StorageUnavailable: The home or its database cannot be written.
        Conflict: The database belongs to a newer version of investlab.
    """
    chosen = settings or load_settings()
    if home is not None:
        chosen = chosen.model_copy(update={"home": Path(home)})
    configure_logging(chosen)
    root = chosen.home_path
    if escaped := ESCAPE.search(str(root)):
        raise InvalidSettings(
            f"The home folder {root} cannot be used: the tables' library takes {escaped[0]} for a character.",
            remedy="Set INVESTLAB_HOME to a folder without a percent sign before two digits.",
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(
            f"The home folder {root} cannot be created: {error.strerror or error}.",
            remedy="Set INVESTLAB_HOME to a folder that can be written.",
        ) from error
    code_identity()
    used = clock or SystemClock()
    database = Database(chosen.sqlalchemy_url, used)
    upgrade_home(chosen, used)
    market = MarketStore(root / "market", lock_timeout_seconds=chosen.lock_timeout_seconds)
    context = Context(
        settings=chosen,
        clock=used,
        database=database,
        market=market,
        panels=PanelStore(root / "cache" / "panels", market, budget_mib=chosen.panel_cache_mib),
        artifacts=ArtifactStore(root / "artifacts"),
        predictions=PredictionStore(root / "predictions", lock_timeout_seconds=chosen.lock_timeout_seconds),
        quarantine=QuarantineStore(root / "quarantine"),
        staging=StagingStore(root / "cache" / "staging"),
    )
    return Workspace(replace(context, mended=repair_market(context)), progress or progress_bar)


def silent_progress(title: str) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(no_progress)
