"""Which runs may begin now, and what the others wait for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from syncd.errors import NotFound
from syncd.model.job import Job
from syncd.model.policy import Condition, Dependency
from syncd.model.run import FAILED, SUCCESSFUL, Gate, Run, RunStatus
from syncd.state import State

_ENDINGS = {
    Condition.COMPLETED: SUCCESSFUL,
    Condition.FAILED: FAILED,
    Condition.ANY: (*SUCCESSFUL, *FAILED, RunStatus.CANCELED),
}


class Admission:
    """Holds runs back until their time has come, their job's execution window is open and its dependencies have run.

    Args:
        state: the runs.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._clock = clock

    def gate(self, job: Job, scheduled_at: datetime, *, force: bool = False) -> Gate:
        """Tell whether a run of the job may begin now.

        Args:
            job: the job.
            scheduled_at: the moment that the run shall not begin before.
            force: look at nothing but that moment.
        """
        now = self._clock()
        if scheduled_at > now:
            return Gate(RunStatus.DELAYED, f"until {scheduled_at:%Y-%m-%dT%H:%M:%SZ}", scheduled_at)
        if force:
            return Gate()
        opening = job.definition.opening(now)
        if opening > now:
            reason = f"until {opening:%Y-%m-%dT%H:%M:%SZ}, when the execution window opens"
            return Gate(RunStatus.DELAYED, reason, opening)
        awaited = [upstream.job for upstream in job.definition.depends_on if not self._satisfied(job, upstream)]
        if awaited:
            return Gate(RunStatus.WAITING, f"for a run of {', '.join(awaited)}")
        return Gate()

    def review(self) -> list[Run]:
        """Look at every run that has not begun: let those begin that may, and end those that have expired.

        Returns:
            The runs that have expired.
        """
        now = self._clock()
        expired = []
        for run in self._state.queue.pending():
            if run.expires_at is not None and run.expires_at <= now:
                self._state.queue.expire(run, now)
                expired.append(self._state.runs.get(run.number))
                continue
            try:
                job = self._state.jobs.by_id(run.job_id)
            except NotFound:
                # The job was deleted meanwhile.
                self._state.runs.request_cancel(run.number, now)
                continue
            gate = self.gate(job, run.scheduled_at, force=run.options.force)
            if (gate.status, gate.reason) != (run.status, run.reason):
                self._state.queue.set_gate(run, gate, now)
        return expired

    def _satisfied(self, job: Job, dependency: Dependency) -> bool:
        """Tell whether the upstream job has run, in the way asked for, since the job itself last began to."""
        try:
            upstream = self._state.jobs.get(dependency.job)
        except NotFound:
            return False
        since = self._state.runs.newest_start(job.id)
        return self._state.runs.ended_since(upstream.id, _ENDINGS[dependency.condition], since)
