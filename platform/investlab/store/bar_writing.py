"""One change of a dataset's tables: all of it becomes durable and visible, or nothing of it stays."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from investlab.core.errors import InvalidInput
from investlab.store import bar_leftovers
from investlab.store.bar_checks import check_newest
from investlab.store.bar_commits import CommitDraft, FileChanges, take_back, write_commit
from investlab.store.bar_files import DataFile, Step, write_file
from investlab.store.bar_heads import TableHead, read_head
from investlab.store.bar_tables import storage_errors
from investlab.store.bar_versions import VersionPin, versions_of

WRITERS = 2
"""Data files that are written at a time."""


class BarWriting:
    """A change that is under way in a dataset's folder, built upon the acknowledged pin.

    It begins by clearing what earlier writers left behind. `complete` or `abort` ends it; an error inside
    `ended_by_errors` aborts it.
    """

    def __init__(self, folder: Path, acknowledged: VersionPin | None, step: Step) -> None:
        self.folder = folder
        self.acknowledged = acknowledged
        self.versions = versions_of(acknowledged)
        self._step = step
        self._begun: list[Path] = []
        self._committed: list[tuple[Path, int, bytes]] = []
        self._is_open = True
        with storage_errors(folder.name):
            folder.mkdir(parents=True, exist_ok=True)
            if acknowledged is not None:
                check_newest(folder, acknowledged)
            self.heads = {table: self._head(table) for table in self.versions}
            bar_leftovers.set_aside_tail(folder, acknowledged)
            bar_leftovers.remove_leftovers(folder)
            bar_leftovers.raise_flag(folder)
        with self.ended_by_errors():
            step("begun")

    def write_file(self, table: str, name: str, rows: pa.Table) -> DataFile:
        """Write rows of one year, in their order, as a data file that no commit names yet."""
        self._begun.append(self.folder / table / name)
        return write_file(self.folder / table, name, rows, self._step)

    def commit(self, table: str, operation: str, head: TableHead, changes: FileChanges) -> int:
        """Make a commit of a table visible and durable and return its number; `abort` still takes it back."""
        number = self.versions[table] + 1
        draft = CommitDraft(
            table=self.folder / table,
            number=number,
            operation=operation,
            head=head,
            earlier=self.heads[table],
            changes=changes,
        )
        content = draft.content()
        self._committed.append((draft.table, number, content))
        write_commit(draft.table, number, content, self._step)
        return number

    def complete(self) -> None:
        """End the change: what it committed stays."""
        bar_leftovers.lower_flag(self.folder)
        self._step("ended")
        self._is_open = False

    def abort(self) -> None:
        """Remove everything the change wrote; a file that cannot be removed is left to the next writer."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(OSError):
            for table, number, content in reversed(self._committed):
                take_back(table, number, content)
            bar_leftovers.remove_files(self.folder, self._begun)
            bar_leftovers.remove_empty_tables(self.folder)
            bar_leftovers.lower_flag(self.folder)

    @contextmanager
    def ended_by_errors(self) -> Iterator[None]:
        """Abort the change when the block raises, and name an error of the disk."""
        if not self._is_open:
            raise InvalidInput(
                f"This change of dataset {self.folder.name!r} has ended.", remedy="Begin another one for more bars."
            )
        try:
            with storage_errors(self.folder.name):
                yield
        except BaseException:
            self.abort()
            raise

    def _head(self, table: str) -> TableHead | None:
        version = self.versions[table]
        return read_head(self.folder / table, version, self.folder.name) if version >= 0 else None


def in_threads[Item, Result](task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what a task gives for each item, in order; after an error no further item is begun."""
    with ThreadPoolExecutor(WRITERS) as pool:
        futures = [pool.submit(task, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
