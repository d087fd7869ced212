"""What happens to jobs: they come from the configuration or the API, are changed, paused, and end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from syncd.config.settings import Limits
from syncd.errors import Conflict, Fault, Invalid
from syncd.model.job import Job, JobDefinition, Origin
from syncd.state import State

log = logging.getLogger(__name__)

Examine = Callable[[JobDefinition], Sequence[Fault]]


class JobService:
    """The one place through which jobs are changed.

    Args:
        state: where jobs are kept.
        clock: tells the time, aware and in UTC.
        limits: what a job from the API may ask for.
        examine: looks for faults of a definition in its table and its knowledge base.
    """

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime],
        limits: Limits = Limits(),
        examine: Examine = lambda definition: (),
    ) -> None:
        self._state = state
        self._clock = clock
        self._limits = limits
        self._examine = examine
        self._places: Mapping[str, str] = {}
        # The number of active jobs is looked at before one is added.
        self._adding = threading.Lock()

    def reconcile(self, definitions: Mapping[str, JobDefinition], places: Mapping[str, str] | None = None) -> list[Job]:
        """Make the jobs of the state's file origin equal to those of the configuration, and return all that live.

        A job that left the file is ended, and so are its runs; its history, watermark and documents stay.

        Args:
            places: the file and line that define each.
        """
        now = self._clock()
        self._places = places or {}
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

    def create(self, name: str, definition: JobDefinition, by: str | None = None) -> Job:
        """Add a job.

        Args:
            by: the name of the token that asks.

        Raises:
            Conflict: the name is taken.
            Invalid: all that is wrong with it.
        """
        taken = self._state.jobs.find(name)
        if taken is not None and taken.ended is None:
            raise self._taken(taken)
        faults = self._examine(definition)
        with self._adding:
            faults = [*faults, *self.check(name, definition)]
            if faults:
                raise Invalid(faults)
            return self._state.jobs.put(name, definition, Origin.API, self._clock(), by=by, new=True)

    def revise(
        self,
        job: Job,
        change: Callable[[JobDefinition], JobDefinition],
        *,
        by: str | None = None,
        version: int | None = None,
    ) -> Job:
        """Change a job's definition.

        Args:
            change: makes the new definition out of the one that holds now.
            by: the name of the token that asks.
            version: the version that the change was made for; None for whichever it is.

        Raises:
            Conflict: the job is defined in a file, or has another version by now.
            Invalid: all that is wrong with the new definition.
        """
        self._require_ours(job)
        new = change(job.definition)
        faults = self._examine(new) if new.meaning() != job.definition.meaning() else ()
        with self._adding:
            faults = [*faults, *self.check(job.name, new)]
            if faults:
                raise Invalid(faults)
            return self._state.jobs.revise(job.id, change, self._clock(), by=by, version=version)

    def clone(self, job: Job, name: str, kb_name: str, by: str | None = None) -> Job:
        """Add a job like this one that fills another knowledge base: disabled, nothing read. Raises as `create`."""
        return self.create(name, job.definition.model_copy(update={"enabled": False, "kb_name": kb_name}), by)

    def pause(self, job: Job) -> Job:
        """Stop the job's ticks until `resume`; a run that goes on is not touched.

        Raises:
            Conflict: the job has ended.
        """
        if job.ended is not None:
            raise Conflict(f"job {job.name} has ended", "there is nothing to pause")
        return self._state.jobs.pause(job.id, self._clock())

    def resume(self, job: Job) -> Job:
        """Let a paused job have ticks again."""
        return self._state.jobs.resume(job.id, self._clock())

    def delete(self, job: Job, *, cancel: bool = False, purge: bool = False) -> None:
        """Forget a job and free its name; its runs stay in the history, its documents in the knowledge base.

        Args:
            cancel: cancel its live runs first.
            purge: whether its documents will be removed next, so that nothing may write them any more.

        Raises:
            Conflict: it is defined in a file, or has a live run.
        """
        self._require_ours(job)
        now = self._clock()
        if cancel:
            self._cancel_runs(job, now)
        live = self._state.runs.unfinished(job.id)
        if live and not cancel:
            raise Conflict(
                f"job {job.name} has live runs: {', '.join(run.id for run in live)}",
                "wait for them, or delete it with cancel=true",
            )
        if purge and any(run.started_at is not None for run in self._state.runs.unfinished(job.id)):
            raise Conflict(
                f"a run of {job.name} is still writing", "it has been asked to stop: delete the job when it has ended"
            )
        self._state.jobs.delete(job.id, now)

    def examine(self, definition: JobDefinition) -> list[Fault]:
        """Return what is wrong with what a definition names: database, table, columns, knowledge base."""
        return list(self._examine(definition))

    def check(self, name: str, definition: JobDefinition) -> list[Fault]:
        """Return what is wrong with a definition beside the other jobs, the limits and the time.

        Args:
            name: the job's name, new or not.
        """
        others = [job for job in self._state.jobs.list() if job.name != name]
        return [
            *_schedule_faults(definition, self._limits, self._clock()),
            *self._number_faults(definition, others),
            *_rival_faults(definition, others),
            *_dependency_faults(name, definition, others),
        ]

    def place(self, job: Job) -> str:
        """Return where a job is defined, for people."""
        return "the API" if job.origin is Origin.API else self._places.get(job.name, "a configuration file")

    def _number_faults(self, definition: JobDefinition, others: Sequence[Job]) -> list[Fault]:
        now = self._clock()
        most = self._limits.max_active_jobs
        active = sum(1 for job in others if job.due and not job.definition.schedule.ended(now))
        if not definition.enabled or active < most:
            return []
        return [
            Fault("enabled", f"there are {active} active jobs, and limits.max_active_jobs is {most}: end one of them")
        ]

    def _require_ours(self, job: Job) -> None:
        if job.origin is Origin.FILE:
            raise Conflict(f"job {job.name} is defined in {self.place(job)}", "change it there")

    def _taken(self, job: Job) -> Conflict:
        return Conflict(f"the job {job.name!r} already exists, defined by {self.place(job)}", "choose another name")

    def _cancel_runs(self, job: Job, now: datetime) -> None:
        for run in self._state.runs.unfinished(job.id):
            # It may end by itself at this very moment.
            with suppress(Conflict):
                self._state.runs.request_cancel(run.number, now)


def _schedule_faults(definition: JobDefinition, limits: Limits, now: datetime) -> list[Fault]:
    schedule = definition.schedule
    faults = []
    if schedule.shortest < limits.shortest_interval:
        field, interval = definition.shortest_interval
        faults.append(Fault(field, f"{interval} is shorter than limits.min_interval, {limits.min_interval}"))
    if schedule.end is not None and schedule.end <= now:
        faults.append(Fault("end_time", "is already past", "INVALID_DATETIME"))
    if schedule.start and schedule.end and schedule.end - schedule.start > limits.longest_duration:
        faults.append(Fault("end_time", f"is more than limits.max_duration, {limits.max_duration}, after start_time"))
    return faults


def _rival_faults(definition: JobDefinition, others: Sequence[Job]) -> list[Fault]:
    """Say which other job would undo what this one does, and owns the same documents."""
    return [
        Fault(
            "source_table",
            f"is synced into {definition.kb_name} by the job {job.name} already: choose another knowledge base",
        )
        for job in others
        if (job.definition.source_table, job.definition.kb_name) == (definition.source_table, definition.kb_name)
    ]


def _dependency_faults(name: str, definition: JobDefinition, others: Sequence[Job]) -> list[Fault]:
    upstream = {job.name: [one.job for one in job.definition.depends_on] for job in others}
    upstream[name] = [one.job for one in definition.depends_on]
    faults = []
    for wanted in upstream[name]:
        if wanted not in upstream:
            faults.append(Fault("depends_on", f"names a job that does not exist: {wanted}"))
        elif name in _reached(wanted, upstream):
            faults.append(Fault("depends_on", f"{wanted} itself waits for {name}: they would wait for each other"))
    return faults


def _reached(start: str, upstream: Mapping[str, Sequence[str]]) -> set[str]:
    reached = {start}
    ahead = [start]
    while ahead:
        new = set(upstream.get(ahead.pop(), ())) - reached
        reached |= new
        ahead += new
    return reached
