"""Where commands change jobs: in the daemon that runs on a configuration, or where none does, on its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from syncd.cli.beside import asking
from syncd.cli.configuration import load_settings, parts_of
from syncd.cli.ownership import owning_daemon, running_daemon
from syncd.client import Client, NewJob
from syncd.errors import Fault, Invalid, SyncdError
from syncd.jobs import JobService
from syncd.model.access import Scope
from syncd.model.job import Job, JobDefinition
from syncd.model.run import Run, RunOptions
from syncd.parts import Parts
from syncd.plugins import Plugins
from syncd.state import State
from syncd.triggers import Triggers, Wish


@dataclass(frozen=True, slots=True)
class InDaemon:
    """Changes jobs through a daemon, which follows at once."""

    client: Client

    def create(self, jobs: Mapping[str, JobDefinition]) -> Iterator[SyncdError | None]:
        """Add jobs, each by itself, and yield why it could not be, in order; None where it could."""
        for result in self.client.jobs.create_many(_written(name, job) for name, job in jobs.items()):
            error = result["error"]
            yield None if error is None else Invalid([Fault(result["name"], error["message"])])

    def pause(self, job: Job) -> None:
        """Stop a job's ticks."""
        self.client.jobs.pause(job.public_id)

    def resume(self, job: Job) -> None:
        """Let a paused job have ticks again."""
        self.client.jobs.resume(job.public_id)

    def delete(self, job: Job, *, cancel: bool, purge: bool) -> None:
        """Forget a job, and its documents where they are to be purged."""
        self.client.jobs.delete(job.public_id, cancel=cancel, purge_documents=purge)

    def cancel(self, run: Run) -> None:
        """Cancel a run."""
        self.client.runs.cancel(run.id)

    def trigger(self, job: Job, options: RunOptions, key: str | None) -> str:
        """Ask for a run, and return its id."""
        run = self.client.jobs.trigger(
            job.public_id,
            idempotency_key=key,
            full_refresh=options.full,
            limit=options.limit,
            dry_run=options.dry_run,
            sweep=options.sweep,
            variables=options.variables,
        )
        return run["id"]

    def approve(self, job: Job) -> tuple[int, str]:
        """Let the sweep that waits go on, and return how many documents it may remove, and its run's id."""
        approved = self.client.jobs.approve(job.public_id)
        return approved["documents"], approved["run"]["id"]


@dataclass(frozen=True, slots=True)
class OnState:
    """Changes jobs in the state itself, while no daemon looks after them."""

    state: State
    parts: Parts
    service: JobService
    triggers: Triggers

    def create(self, jobs: Mapping[str, JobDefinition]) -> Iterator[SyncdError | None]:
        """Add jobs, each by itself, and yield why it could not be, in order; None where it could."""
        for name, definition in jobs.items():
            try:
                self.service.create(name, definition)
            except Invalid as error:
                yield Invalid([Fault(f"{name}: {fault.where}", fault.message) for fault in error.faults])
            except SyncdError as error:
                yield error
            else:
                yield None

    def pause(self, job: Job) -> None:
        """Stop a job's ticks."""
        self.service.pause(job)

    def resume(self, job: Job) -> None:
        """Let a paused job have ticks again."""
        self.service.resume(job)

    def delete(self, job: Job, *, cancel: bool, purge: bool) -> None:
        """Forget a job, and its documents where they are to be purged."""
        config = self.parts.knowledge_bases().get(job.definition.kb_name)
        held = purge and config is not None and self.parts.is_stored(job.definition.kb_name, config.store)
        if held:
            # One that belongs to somebody else is noticed while the job is still there.
            owning_daemon(self.parts, job.definition.kb_name)
        self.service.delete(job, cancel=cancel)
        if held:
            self.parts.purge(job)

    def cancel(self, run: Run) -> None:
        """Cancel a run."""
        self.state.runs.request_cancel(run.number, _now())

    def trigger(self, job: Job, options: RunOptions, key: str | None) -> str:
        """Ask for a run, and return its id."""
        return self.triggers.ask(job, Wish(options, key=key)).id

    def approve(self, job: Job) -> tuple[int, str]:
        """Let the sweep that waits go on, and return how many documents it may remove, and its run's id."""
        sweep, run = self.triggers.approve(job)
        return sweep.approved, run.id


@dataclass(frozen=True, slots=True)
class Desk:
    """A configuration's jobs, to look at and to change.

    Args:
        state: to look at; the same that a daemon works on.
        hands: what changes them.
    """

    state: State
    hands: InDaemon | OnState

    def job(self, name: str) -> Job:
        """Return a job as it is now. Raises NotFound."""
        return self.state.jobs.get(name)

    def run(self, run: str) -> Run:
        """Return a run as it is now. Raises NotFound."""
        return self.state.runs.get(int(run.removeprefix("run_")))


@contextmanager
def desk(config: Path | None, *scopes: Scope) -> Iterator[Desk]:
    """Lend what changes the jobs of a configuration.

    Args:
        config: as given with --config.
        scopes: what a token needs for it, where a daemon asks for one.

    Raises:
        ConfigError: there is no configuration, or it is faulty.
        SyncdError: the state or the daemon does not answer, or refuses.
    """
    plugins = Plugins()
    settings = load_settings(config, plugins)
    daemon = running_daemon(settings)
    with ExitStack() as stack:
        state = State.open(settings.state.get_secret_value())
        stack.callback(state.close)
        if daemon is not None:
            yield Desk(state, InDaemon(stack.enter_context(asking(daemon["url"], *scopes))))
            return
        parts = parts_of(settings, plugins, "syncd jobs", state)
        stack.callback(parts.close)
        service = JobService(state, _now, settings.limits, parts.examine)
        service.reconcile(settings.jobs, settings.places)
        yield Desk(state, OnState(state, parts, service, Triggers(state, _now)))


def _written(name: str, definition: JobDefinition) -> NewJob:
    job: NewJob = {"name": name, **definition.model_dump(mode="json", exclude_unset=True)}  # type: ignore[typeddict-item]
    return job


def _now() -> datetime:
    return datetime.now(UTC)
