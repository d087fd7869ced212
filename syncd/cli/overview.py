"""How jobs stand: as configured, as remembered, and as their tables are now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from syncd.config.settings import Settings
from syncd.errors import SyncdError
from syncd.freshness import rows_behind
from syncd.model.job import Job, JobStatus, Origin
from syncd.model.run import PENDING, Run
from syncd.parts import Parts
from syncd.state import State

NEVER_KEPT = 0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands.

    Args:
        live: its run that is going on or queued.
        last: its run that ended last.
        next_run: its next tick, None when there will be none.
        watermark: how far its table has been read, None before anything was.
        rows_behind: how many rows are new since, None where that is not known.
        unknown: why that is not known; empty before the first run.
    """

    job: Job
    status: JobStatus
    live: Run | None = None
    last: Run | None = None
    next_run: datetime | None = None
    watermark: str | None = None
    rows_behind: int | None = None
    unknown: str = ""
    dead_letters: int = 0


def known_jobs(settings: Settings, state: State | None, now: datetime) -> list[Job]:
    """Return all jobs by name: those of the configuration, as it defines them now, and those made elsewhere.

    A job of the configuration that the state does not know yet has the number 0 and the version 0.
    """
    kept = {job.name: job for job in (state.jobs.list() if state is not None else ())}
    found = {job.name: job for job in kept.values() if job.origin is not Origin.FILE}
    for name, definition in settings.jobs.items():
        job = kept.get(name) or Job(NEVER_KEPT, name, definition, Origin.FILE, 0, now, now)
        found.setdefault(name, replace(job, definition=definition))
    return [found[name] for name in sorted(found)]


def standings(settings: Settings, state: State | None, parts: Parts, now: datetime) -> list[Standing]:
    """Return how each job stands; databases are asked side by side, and one that does not answer harms no other."""

    def stand(job: Job) -> Standing:
        if state is None or job.id == NEVER_KEPT:
            return Standing(job, job.status(now, running=False), next_run=_next(job, now))
        live = state.runs.live(job.id)
        running = live is not None and live.status not in PENDING
        checkpoint = state.checkpoints.get(job.id)
        read = checkpoint is not None and checkpoint.watermark.value is not None
        rows, unknown = _behind(state, parts, job)
        return Standing(
            job,
            job.status(now, running=running),
            live=live,
            last=state.runs.last_finished(job.id),
            next_run=_next(job, now),
            watermark=str(checkpoint.watermark) if checkpoint is not None and read else None,
            rows_behind=rows,
            unknown=unknown,
            dead_letters=state.dead_letters.count(job.id),
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(stand, known_jobs(settings, state, now)))


def _next(job: Job, now: datetime) -> datetime | None:
    return job.definition.schedule.next_tick(now) if job.due else None


def _behind(state: State, parts: Parts, job: Job) -> tuple[int | None, str]:
    try:
        return rows_behind(state, parts, job), ""
    except SyncdError as error:
        return None, str(error)
