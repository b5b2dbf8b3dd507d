"""Progress of long work: a bar in a terminal or a notebook, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from time import monotonic
from typing import Any

from IPython import display as ipython_display
from IPython.core.getipython import get_ipython
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from investlab.core.executor import Progress as Report

BETWEEN_UPDATES_SECONDS = 0.2


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """Give a function that takes (done, total); the bar disappears when the work ends."""
    if get_ipython() is not None:
        with _notebook_bar(title) as report:
            yield report
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _notebook_bar(title: str) -> Iterator[Report]:
    """Show an HTML progress element, which needs no widgets and leaves nothing behind."""
    tools: Any = ipython_display
    handle = tools.display(tools.HTML(f"<p>{escape(title)} …</p>"), display_id=True)
    started = shown = monotonic()
    first: tuple[int, float] | None = None

    def report(done: int, total: int) -> None:
        nonlocal shown, first
        now = monotonic()
        first = first or (done, now)
        if handle is not None and (now - shown >= BETWEEN_UPDATES_SECONDS or done == total):
            shown = now
            count = (
                f"{done:,} of {total:,}, {now - started:.0f} s{_left(done - first[0], now - first[1], total - done)}"
            )
            bar = f'<progress value="{done}" max="{total}"></progress>'
            handle.update(tools.HTML(f"<p>{escape(title)} {bar} {count}</p>"))

    try:
        yield report
    finally:
        if handle is not None:
            handle.update(tools.HTML(""))


def _left(done: int, seconds: float, missing: int) -> str:
    """Return the time that is left at the pace so far, as text; empty before there is a pace."""
    return f", about {seconds * missing / done:.0f} s left" if done and missing else ""
