"""What the upkeep of a dataset's stored bars did."""

from datetime import date, datetime

from investlab.schemas.market import Frozen


class VersionLine(Frozen):
    """A dataset version as it is listed; `held_by` names what keeps a vacuum away from it."""

    version: str
    rows: int
    instruments: int
    first_session: date | None
    last_session: date | None
    ingested_at: datetime
    ingest_run: str
    content_hash: str
    held_by: str


class CompactReceipt(Frozen):
    """A compaction: the version it served and how many files hold its bars before and after."""

    version: str
    files_before: int
    files_after: int


class VacuumReceipt(Frozen):
    """A vacuum: which versions it spared, and the files and bytes it freed (or would free)."""

    dataset: str
    kept: tuple[str, ...]
    files: int
    bytes: int
    dry_run: bool


class ExportReceipt(Frozen):
    """An export: where it lies, what it holds, and what it stands on."""

    path: str
    version: str
    as_of: datetime | None
    rows: int
    sha256: str
