"""What names a state of a dataset's bar tables, and what the store answers about one."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

BASE = "bars"
CORRECTIONS = "corrections"


@dataclass(frozen=True, slots=True)
class VersionPin:
    """The Delta versions that make up a dataset version; `corrections_version` is None before the first correction.

    `content_hash` is that of the dataset version; a read checks that the tables still are those it was made from.
    """

    base_version: int
    corrections_version: int | None = None
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class AppendReceipt:
    """What an append did; `pin` names the state after it, also when nothing was written."""

    new_rows: int
    changed_rows: int
    same_rows: int
    pin: VersionPin

    @property
    def content_hash(self) -> str:
        """Return the hash of all that is stored after the append."""
        return self.pin.content_hash or ""

    @property
    def is_unchanged(self) -> bool:
        """Say whether the batch held nothing that was not stored already."""
        return self.new_rows == 0 and self.changed_rows == 0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a version holds."""

    rows: int
    instruments: int
    first_session: date | None
    last_session: date | None


@dataclass(frozen=True, slots=True)
class Repair:
    """One damaged commit that was found: what was done about it, and what was lost, if anything.

    `action` is `restored` (from its copy), `set aside` (it was never acknowledged), `removed` (a checkpoint, which is
    no data) or `lost` (acknowledged, and no whole copy of it is left). `kept_at` is where the damaged file lies now.
    """

    table: str
    commit: int
    damage: str
    action: str
    lost: str
    kept_at: Path | None = None


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """How many files a vacuum removed, or would remove, and their bytes."""

    files: int
    bytes: int


def versions_of(pin: VersionPin | None) -> dict[str, int]:
    """Return the version of each table, −1 for one that has none."""
    if pin is None:
        return {BASE: -1, CORRECTIONS: -1}
    return {BASE: pin.base_version, CORRECTIONS: -1 if pin.corrections_version is None else pin.corrections_version}


def pin_of(versions: dict[str, int], content_hash: str | None) -> VersionPin:
    """Return the pin of the tables' versions."""
    corrections = versions[CORRECTIONS]
    return VersionPin(versions[BASE], corrections if corrections >= 0 else None, content_hash)
