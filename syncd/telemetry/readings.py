"""How the jobs stand, as the state knows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from syncd.model.run import PENDING
from syncd.state import State
from syncd.telemetry.metrics import JobReading


def job_readings(state: State, now: datetime) -> Iterator[JobReading]:
    """Yield a reading of every job that has not ended, by its file or by its schedule; for `Metrics.watch`.

    Raises:
        Unavailable: the state does not answer.
    """
    for job in state.jobs.list():
        if job.definition.schedule.ended(now):
            continue
        live = state.runs.live(job.id)
        success = state.runs.last_successful(job.id)
        since = job.created_at if success is None or success.finished_at is None else success.finished_at
        yield JobReading(
            job=job.name,
            seconds_since_success=max(0.0, (now - since).total_seconds()),
            blocked=job.blocked is not None,
            running=live is not None and live.status not in PENDING,
            dead_letters=state.dead_letters.count(job.id),
        )
