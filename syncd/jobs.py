"""What happens to jobs: they are taken from the configuration, fall due, and are asked to run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from syncd.errors import Conflict
from syncd.model.job import Job, JobDefinition, Origin
from syncd.model.run import Run, RunOptions, RunStatus, Trigger
from syncd.state import State

log = logging.getLogger(__name__)


class JobService:
    """The one place through which jobs are changed and runs are asked for.

    Args:
        state: where jobs and runs are kept.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._clock = clock

    def reconcile(self, definitions: Mapping[str, JobDefinition]) -> list[Job]:
        """Make the jobs of the state's file origin equal to those of the configuration, and return all that live.

        A job that left the file is ended, and so are its runs; its history, watermark and documents stay.
        """
        now = self._clock()
        for job in self._state.jobs.list():
            if job.origin is Origin.FILE and job.name not in definitions:
                self._state.jobs.end(job.id, now)
                self._cancel_runs(job, now)
                log.info("job %s left the configuration and has ended", job.name)
        for name, definition in definitions.items():
            try:
                self._state.jobs.put(name, definition, Origin.FILE, now)
            except Conflict as error:
                log.error("job %s of the configuration is left out: %s", name, error)
        return self._state.jobs.list()

    def tick(self, job_id: int) -> Run | None:
        """Queue a run for the newest tick of a job, unless that tick has had its run.

        Ticks that were missed, however many, become this one run.

        Returns:
            The run, or None when the job is not due.
        """
        now = self._clock()
        job = self._state.jobs.by_id(job_id)
        tick = job.definition.schedule.due_tick(now)
        if tick is None or not job.due:
            return None
        last = self._state.runs.last_scheduled(job.id, now)
        if last is not None and last >= tick:
            return None
        return self._state.runs.enqueue(job, Trigger.SCHEDULE, tick, now)

    def recover(self, run: Run) -> Run | None:
        """Queue a run in place of one that was cut off.

        Returns:
            The run, or None when the job may run no more.
        """
        now = self._clock()
        job = self._state.jobs.by_id(run.job_id)
        end = job.definition.schedule.stop_of(run.scheduled_at)
        if not job.due or (end is not None and now > end and run.trigger is not Trigger.MANUAL):
            return None
        return self._state.runs.enqueue(job, Trigger.RECOVERY, now, now, run.options)

    def trigger(self, name: str, options: RunOptions = RunOptions()) -> Run:
        """Queue a run of a job now.

        Raises:
            NotFound: there is no such job.
            Conflict: the job has ended.
        """
        now = self._clock()
        job = self._state.jobs.get(name)
        if job.ended is not None:
            raise Conflict(f"job {name} has ended", "put it back into the configuration to run it")
        return self._state.runs.enqueue(job, Trigger.MANUAL, now, now, options)

    def _cancel_runs(self, job: Job, now: datetime) -> None:
        for status in (RunStatus.QUEUED, RunStatus.RUNNING):
            for run in self._state.runs.list(job.id, status):
                # It may end by itself at this very moment.
                with suppress(Conflict):
                    self._state.runs.request_cancel(run.number, now)
