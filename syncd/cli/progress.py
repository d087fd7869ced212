"""Shows how far a run has come, on a terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from syncd.tally import Tally

log = logging.getLogger(__name__)

NARROW = 110
LOG_SECONDS = 10.0


class _Rate(ProgressColumn):
    """Rows a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:,.0f} rows/s", style="cyan")


class _Rows(ProgressColumn):
    """Rows done, of how many."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else f"{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}/{total}", style="green")


@contextmanager
def shown(console: Console, job: str) -> Iterator[Callable[[Tally], None]]:
    """Show a bar while the block runs; where the console is no terminal, log a line now and then.

    Args:
        console: where to.
        job: the job that runs.

    Returns:
        What to tell about the run's progress.
    """
    if not console.is_terminal:
        yield _logged()
        return
    narrow = console.width < NARROW
    bar = Progress(
        SpinnerColumn(),
        *(() if narrow else (TextColumn("{task.fields[job]}", markup=False),)),
        BarColumn(bar_width=10 if narrow else 30),
        _Rows(table_column=Column(no_wrap=True)),
        _Rate(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[counts]}", style="dim", markup=False),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=None, job=job, counts="getting ready")

    def tell(tally: Tally) -> None:
        counts = tally.counts
        bar.update(
            task,
            completed=counts.records_read,
            total=None if tally.total is None else max(tally.total, counts.records_read),
            counts=f"{counts.embedded:,} embedded, {counts.unchanged:,} unchanged",
        )

    with bar:
        yield tell


def _logged() -> Callable[[Tally], None]:
    said = time.monotonic()

    def tell(tally: Tally) -> None:
        nonlocal said
        if time.monotonic() - said < LOG_SECONDS:
            return
        said = time.monotonic()
        log.info("%s rows of %s done", tally.counts.records_read, "?" if tally.total is None else tally.total)

    return tell
