"""What makes runs: a tick, somebody who asks, a run that was cut off."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from syncd.admission import Admission
from syncd.errors import Conflict, Fault, Invalid, NotFound
from syncd.model.fingerprint import digest
from syncd.model.job import Job
from syncd.model.run import Request, Run, RunOptions, Sweep, Trigger
from syncd.state import State

LATE_WRITE = "a run wrote into the knowledge base when another process had taken its job over"


@dataclass(frozen=True, slots=True)
class Wish:
    """A run that somebody asks for.

    Args:
        options: how it differs from the job's habit.
        trigger: who asks.
        scheduled_at: the moment that it shall not begin before; None for now.
        by: the name of the token.
        key: makes it the same wish as an earlier one with that key, for a day; the key is the job's own.
        dedup_window_secs, run_ttl_secs: in place of the job's own.
    """

    options: RunOptions = RunOptions()
    trigger: Trigger = Trigger.MANUAL
    scheduled_at: datetime | None = None
    by: str | None = None
    key: str | None = None
    dedup_window_secs: int | None = None
    run_ttl_secs: int | None = None

    @property
    def digest(self) -> str:
        """A hash of what is asked for, but for who asks."""
        return digest(json.dumps([asdict(self.options), str(self.scheduled_at)], sort_keys=True))


class Triggers:
    """Puts runs into the queue.

    Args:
        state: the queue.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, state: State, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._clock = clock
        self._admission = Admission(state, clock)

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
        return self._state.queue.enqueue(
            job, self._request(job, Wish(trigger=Trigger.SCHEDULE, scheduled_at=tick), now), now
        )

    def recover(self, run: Run) -> Run | None:
        """Queue a run in place of one that was cut off.

        Returns:
            The run, or None when the job may run no more.
        """
        now = self._clock()
        try:
            job = self._state.jobs.by_id(run.job_id)
        except NotFound:
            return None
        end = job.definition.schedule.stop_of(run.scheduled_at)
        late = end is not None and now > end and run.trigger not in {Trigger.MANUAL, Trigger.API}
        if late or not (job.due or run.options.force):
            return None
        # What the job's own definition gave the run, it gives the next one too.
        options = replace(run.options, metadata={}) if run.plain else run.options
        request = self._request(job, Wish(options, Trigger.RECOVERY, by=run.created_by), now)
        return self._state.queue.enqueue(job, request, now, options)

    def compare_again(self, run: Run) -> None:
        """Have the whole table of a run's job compared with the knowledge base, now and until it was.

        Args:
            run: it had lost its lease, and may then have replaced documents of its successor by older versions.
        """
        known = self._state.checkpoints.get(run.job_id)
        if known is not None:
            self._state.checkpoints.reset(run.job_id, known.meaning, known.identity, LATE_WRITE, self._clock())
        # A run that goes on may put its own checkpoint in that place, so one after it reads everything too.
        self.recover(replace(run, options=RunOptions(full=True), plain=True))

    def ask(self, job: Job, wish: Wish = Wish()) -> Run:
        """Queue a run of a job. Raises as `ask_all`."""
        [(run, _)] = self.ask_all(job, [wish])
        return run

    def ask_all(self, job: Job, wishes: Sequence[Wish]) -> list[tuple[Run, bool]]:
        """Queue several runs of a job: all, or none when one of them cannot be.

        Returns:
            For each wish its run, and whether that is the run of an earlier wish with the same key, or like it.

        Raises:
            Conflict: the job has ended, or is disabled or paused and a wish does not say `force`.
            Invalid: the job has no such variables.
            KeyReused: a key has asked for something else.
        """
        now = self._clock()
        self._check(job, wishes)
        wanted = [(self._request(job, wish, now), wish.options) for wish in wishes]
        return self._state.queue.enqueue_all(job, wanted, now)

    def approve(self, job: Job, trigger: Trigger = Trigger.MANUAL, by: str | None = None) -> tuple[Sweep, Run]:
        """Let the sweep of a job that waits remove what it found, and queue a run that does.

        Raises:
            Conflict: no sweep of the job waits, or a run cannot be asked for; see `ask_all`.
        """
        wish = Wish(RunOptions(sweep=True), trigger, by=by)
        self._check(job, [wish])
        return self._state.sweeps.approve(job.id, by, self._clock()), self.ask(job, wish)

    def _request(self, job: Job, wish: Wish, now: datetime) -> Request:
        moment = wish.scheduled_at or now
        ttl = wish.run_ttl_secs or job.definition.run_ttl_secs
        seconds = wish.dedup_window_secs or job.definition.dedup_window_secs
        by_hand = wish.trigger in {Trigger.MANUAL, Trigger.API}
        return Request(
            wish.trigger,
            moment,
            self._admission.gate(job, moment, force=wish.options.force),
            None if ttl is None else max(now, moment) + timedelta(seconds=ttl),
            wish.digest,
            wish.by,
            wish.key,
            None if seconds is None or not by_hand else now - timedelta(seconds=seconds),
        )

    def _check(self, job: Job, wishes: Sequence[Wish]) -> None:
        if job.ended is not None:
            raise Conflict(f"job {job.name} has ended", "put it back into the configuration to run it")
        if not all(wish.options.force for wish in wishes):
            if not job.definition.enabled:
                raise Conflict(f"job {job.name} is disabled", "enable it first")
            if job.paused:
                raise Conflict(f"job {job.name} is paused", "resume it first")
        known = job.definition.variables
        offered = f"the job's filters know {', '.join(sorted(known))}" if known else "the job's filters name none"
        unknown = sorted({name for wish in wishes for name in wish.options.variables} - known)
        if unknown:
            raise Invalid([Fault(f"variables.{name}", f"is no variable of the job: {offered}") for name in unknown])
