"""Values that the tests of the state share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from syncd.model.job import Job, JobDefinition
from syncd.model.record import Identity
from syncd.model.run import Checkpoint, Lease, Request, Run, RunOptions, Trigger
from syncd.model.watermark import FilterValue, Watermark
from syncd.state import State

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TTL = timedelta(seconds=30)

T = TypeVar("T")


def definition(**changes: object) -> JobDefinition:
    """A job's definition."""
    fields: dict[str, object] = {
        "source_table": "shop.orders",
        "kb_name": "orders_kb",
        "content_columns": ["product"],
        "filter_column": "created_at",
        "interval": "10 MINUTES",
    }
    return JobDefinition.model_validate(fields | changes)


def checkpoint(value: FilterValue | None = 1) -> Checkpoint:
    """A checkpoint that stands at this value."""
    return Checkpoint(Watermark(value), meaning="m", identity=Identity("kb", 1))


def ask(state: State, job: Job, *, full: bool = False, limit: int | None = None, at: datetime = NOW) -> Run:
    """Ask for a run by hand."""
    return state.queue.enqueue(job, Request(Trigger.MANUAL, at), at, RunOptions(full, limit))


def tick(state: State, job: Job, at: datetime) -> Run:
    """Let a tick of the job come."""
    return state.queue.enqueue(job, Request(Trigger.SCHEDULE, at), at)


def start(state: State, job: Job, owner: str = "me", at: datetime = NOW) -> tuple[Run, Lease]:
    """Ask for a run and claim it."""
    run = ask(state, job, at=at)
    claimed = state.leases.claim(owner, at, TTL, run.number)
    assert claimed is not None
    return claimed


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """Let so many threads do the work at the same moment, and return what each of them got."""
    barrier = threading.Barrier(count)

    def one(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
