"""What every use case works with: settings, clock, database, stores and the workspace's as-of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from investlab.core.clock import Clock
from investlab.core.config import Settings
from investlab.core.hashing import hash_json
from investlab.store.artifacts import ArtifactStore
from investlab.store.bar_versions import Repair
from investlab.store.database import Database
from investlab.store.market import MarketStore
from investlab.store.panels import PanelStore
from investlab.store.predictions import PredictionStore
from investlab.store.quarantine import QuarantineStore
from investlab.store.staging import StagingStore

SYSTEM_OWNER = "system"


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of an open workspace; `as_of` limits every read to what was known by then.

    `opened_holdouts` names the datasets whose holdout may be read. `mended` says, by dataset, which damaged commits
    were found when the home was opened and what was done about them.
    """

    settings: Settings
    clock: Clock
    database: Database
    market: MarketStore
    panels: PanelStore
    artifacts: ArtifactStore
    predictions: PredictionStore
    quarantine: QuarantineStore
    staging: StagingStore
    owner: str = SYSTEM_OWNER
    as_of: datetime | None = None
    opened_holdouts: frozenset[str] = frozenset()
    mended: Mapping[str, tuple[Repair, ...]] = field(default_factory=dict)

    def new_id(self, prefix: str, *content: object) -> str:
        """Return an id made of a prefix and a hash of the content and the present moment."""
        return f"{prefix}-{hash_json([prefix, self.clock.now(), *content])[:12]}"
