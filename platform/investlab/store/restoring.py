"""A new head with the content of an older version: nothing is deleted, and what came between stays readable."""

from dataclasses import replace

from investlab.store import delta_log
from investlab.store.bar_checks import require_same_tables
from investlab.store.bar_commits import CONTENT_HASH, FileChanges
from investlab.store.bar_files import SNAPSHOT, DataFile, active_data_files, snapshot_of
from investlab.store.bar_heads import BarExtent, TableHead, read_head
from investlab.store.bar_versions import VersionPin, pin_of, versions_of
from investlab.store.bar_writing import BarWriting


def restore(writing: BarWriting, pin: VersionPin) -> VersionPin:
    """Commit the content of an older pin on top of the acknowledged one and return the pin of that.

    Its content hash is that of the older pin.

    Raises:
        Corrupt: The older version is damaged, or of tables that were built anew since.
        NotFound: Files of the older version were removed by a vacuum.
        StorageUnavailable: The disk is full or read-only; the tables are as before.
    """
    versions = dict(writing.versions)
    with writing.ended_by_errors():
        require_same_tables(writing.folder, pin)
        wanted = {table: _present_files(writing, table, version) for table, version in versions_of(pin).items()}
        for table, files in wanted.items():
            now = active_data_files(writing.folder / table, writing.versions[table])
            added, removed = _missing(files, now), _missing(now, files)
            if added or removed:
                head = _head(writing, table, versions_of(pin)[table])
                marks = {CONTENT_HASH: pin.content_hash, SNAPSHOT: snapshot_of(files)}
                changes = FileChanges(added=added, removed=removed, marks=marks)
                versions[table] = writing.commit(table, "RESTORE", head, changes)
        writing.complete()
    return pin_of(versions, pin.content_hash)


def _present_files(writing: BarWriting, table: str, version: int) -> list[DataFile]:
    files = active_data_files(writing.folder / table, version)
    for file in files:
        delta_log.check_file(writing.folder / table, file.name, file.size, writing.folder.name)
    return files


def _missing(files: list[DataFile], among: list[DataFile]) -> list[DataFile]:
    names = {file.name for file in among}
    return [file for file in files if file.name not in names]


def _head(writing: BarWriting, table: str, version: int) -> TableHead:
    """Return the head of a table as it was, empty where it did not exist yet."""
    if version >= 0:
        return read_head(writing.folder / table, version, writing.folder.name)
    return replace(read_head(writing.folder / table, writing.versions[table], writing.folder.name), extent=BarExtent())
