"""The clock: tells when a job's tick has come, and does none of the work."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from syncd.errors import SyncdError
from syncd.model.job import Job
from syncd.model.schedule import Schedule

log = logging.getLogger(__name__)

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = 5.0


def clocks() -> tuple[float, float]:
    """Return the wall clock, which can be moved, and one that cannot, in seconds."""
    return time.time(), time.monotonic()


class TickTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Fires at once, for ticks that were missed, and then at each tick of a schedule.

    It counts instead of stepping: a clock set forward by years costs one step, not one for each tick.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        # Never None: the library takes such a job out by itself, and its thread dies when the job is gone already.
        return now if previous is None else self._schedule.next_tick(now) or NEVER


class Scheduler:
    """Calls back at each tick of each job.

    Nothing is stored here: the triggers are made anew from the jobs at every start and change.

    Args:
        tick: called with a job's number when its tick has come.
        clocks: see `clocks`.
    """

    def __init__(self, tick: Callable[[int], Any], clocks: Callable[[], tuple[float, float]] = clocks) -> None:
        self._tick = tick
        self._jobs: tuple[Job, ...] = ()
        self._missed: deque[Job] = deque()
        self._clocks = clocks
        self._seen = clocks()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(max_workers=2)},
            # A tick that comes late is still a tick; several late ones are one.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin to fire."""
        self._scheduler.start()

    def update(self, jobs: Iterable[Job]) -> None:
        """Fire for these jobs from now on, and look at once for ticks that were missed."""
        self._jobs = tuple(jobs)
        self._scheduler.remove_all_jobs()
        for job in self._jobs:
            if job.due:
                self._scheduler.add_job(self._fire, TickTrigger(job.definition.schedule), args=[job], id=str(job.id))

    def follow(self, jobs: Iterable[Job]) -> None:
        """Fire for these jobs from now on; where they are the same as before nothing is done."""
        wanted = tuple(jobs)
        if wanted != self._jobs:
            self.update(wanted)

    def watch_clock(self) -> bool:
        """Set every trigger anew when the wall clock was moved, and tell whether it was; to be called now and then."""
        wall, steady = self._clocks()
        drift = (wall - self._seen[0]) - (steady - self._seen[1])
        self._seen = (wall, steady)
        moved = abs(drift) > CLOCK_TOLERANCE
        if moved:
            log.warning("the clock was moved by %+.0f s: every job is scheduled anew", drift)
            self.update(self._jobs)
        return moved

    def repeat_missed(self) -> None:
        """Call back again for ticks whose call back failed; to be called now and then."""
        for job in [self._missed.popleft() for _ in range(len(self._missed))]:
            self._fire(job)

    def stop(self) -> None:
        """Fire no more; returns when the last call back has returned."""
        self._scheduler.shutdown(wait=True)

    def _fire(self, job: Job) -> None:
        try:
            self._tick(job.id)
        except SyncdError as error:
            self._missed.append(job)
            log.error("the tick of job %s waits: %s", job.name, error)
        except Exception:
            log.exception("the tick of job %s could not be queued", job.name)
