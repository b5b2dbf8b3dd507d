"""What every part of a workspace stands on: its home, its as-of time, and how it shows progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime
from typing import Self

from investlab.core.clock import parse_as_of
from investlab.core.executor import Progress
from investlab.services.context import Context

ProgressFactory = Callable[[str], AbstractContextManager[Progress]]


class WorkspaceBase:
    """A home and the time that everything in it is read as of."""

    def __init__(self, context: Context, progress: ProgressFactory) -> None:
        self.context = context
        self._progress = progress

    def __repr__(self) -> str:
        reading = f"as of {self.context.as_of:%Y-%m-%d %H:%M} UTC" if self.context.as_of else "latest"
        return f"<Workspace {self.context.settings.home_path} reading {reading}>"

    def as_of(self, moment: str | date | datetime | None) -> Self:
        """Return the workspace with every read limited to what was known by then; a date means the end of that day.

        Raises:
            InvalidInput: The moment is no date or has no time zone.
        """
        return type(self)(replace(self.context, as_of=parse_as_of(moment)), self._progress)

    def today(self) -> date:
        """Return the date this workspace reads as of, or today."""
        return (self.context.as_of or self.context.clock.now()).date()
