"""How far each job is behind its source, measured now and then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from syncd.errors import SyncdError
from syncd.model.job import Job
from syncd.parts import Parts
from syncd.state import State

if TYPE_CHECKING:
    # Commands use this room too, and none of them measures.
    from syncd.telemetry import Metrics

log = logging.getLogger(__name__)


class Freshness:
    """Measures how many rows each job is behind its source.

    Args:
        state: the jobs and their checkpoints.
        parts: opens sources.
        metrics: told what was measured, and which jobs have ended.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, state: State, parts: Parts, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._parts = parts
        self._metrics = metrics
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._in_step_at: dict[int, datetime] = {}

    def measure_in_background(self) -> None:
        """Measure all jobs, unless an earlier measurement still goes on."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._measure_all, name="freshness", daemon=True)
        self._thread.start()

    def _measure_all(self) -> None:
        for job in self._state.jobs.list(include_ended=True):
            if job.ended is not None or job.definition.schedule.ended(self._clock()):
                self._metrics.forget(job.name)
                continue
            rows = None
            try:
                if (rows := rows_behind(self._state, self._parts, job)) is not None:
                    self._metrics.rows_behind(job.name, rows)
            except Exception as error:
                # Its next run meets this too, and tells it in full.
                log.debug("rows behind of %s are unknown: %s", job.name, error)
            try:
                self._judge(job, rows, self._clock())
            except SyncdError as error:
                log.error("how far %s is behind cannot be judged: %s", job.name, error)

    def _judge(self, job: Job, rows: int | None, now: datetime) -> None:
        """Tell how long ago the job was last known to be in step; an unreadable table is no proof that it is."""
        if rows == 0:
            self._in_step_at[job.id] = now
        if not (job.due and self._state.breaches.watched()):
            return
        success = self._state.runs.last_successful(job.id)
        ran = job.created_at if success is None or success.started_at is None else success.started_at
        since = max(ran, self._in_step_at.get(job.id, ran))
        self._state.breaches.judge(job, max(0.0, (now - since).total_seconds()), now)


def known_rows_behind(state: State, parts: Parts, job: Job) -> int | None:
    """Count them as `rows_behind` does; None also when the table cannot be asked."""
    try:
        return rows_behind(state, parts, job)
    except SyncdError as error:
        # Its next run meets this too, and tells it in full.
        log.debug("rows behind of %s are unknown: %s", job.name, error)
        return None


def rows_behind(state: State, parts: Parts, job: Job) -> int | None:
    """Count the rows that the next run of a job has yet to read; None before its first run."""
    checkpoint = state.checkpoints.get(job.id)
    if checkpoint is None:
        return None
    source = parts.source(job.definition)
    try:
        return source.rows_after(checkpoint.watermark)
    finally:
        source.close()
