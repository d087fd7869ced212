"""Where commands ask about a job: in this process, or in the daemon that owns the knowledge base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from syncd.attempt import Stop
from syncd.cli.beside import asking
from syncd.cli.configuration import load_settings, parts_of
from syncd.cli.execution import Execution, Progress, now
from syncd.cli.ownership import owning_daemon
from syncd.client import Client
from syncd.inspection import Inspection
from syncd.model.access import Scope
from syncd.model.inspection import Difference
from syncd.model.job import Job
from syncd.model.run import Run, RunOptions
from syncd.plugins import Plugins
from syncd.state import State

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Here:
    """Asks in this process."""

    inspection: Inspection
    job: Job

    def plan(self) -> Told:
        """Return what the job's next run will do."""
        plan = self.inspection.plan(self.job)
        told = asdict(plan) | {"seconds": round(plan.seconds, 3)}
        counts = told.pop("counts")
        return {**counts, "updated": counts["embedded"] - counts["inserted"], **told}

    def verify(self, so_far: Callable[[Told], None]) -> tuple[list[Told], Told]:
        """Return each difference, and what was compared."""
        differences: list[Told] = []
        result: Told = {}
        for found in self.inspection.verify(self.job):
            if isinstance(found, Difference):
                differences.append(asdict(found))
            else:
                result = asdict(found) | {"in_step": found.in_step}
                so_far(result)
        return differences, result

    def why(self, key: str) -> Told:
        """Return how a row stands."""
        return asdict(self.inspection.why(self.job, key))


@dataclass(frozen=True, slots=True)
class InDaemon:
    """Asks a daemon."""

    client: Client
    job: Job

    def plan(self) -> Told:
        """Return what the job's next run will do."""
        return {**self.client.inspections.plan(self.job.public_id)}

    def verify(self, so_far: Callable[[Told], None]) -> tuple[list[Told], Told]:
        """Return each difference, and what was compared."""
        found, result = self.client.inspections.verify(self.job.public_id, lambda told: so_far({**told}))
        return [{**one} for one in found], {**result}

    def why(self, key: str) -> Told:
        """Return how a row stands."""
        return {**self.client.inspections.why(self.job.public_id, key)}


@dataclass(frozen=True, slots=True)
class Inspecting:
    """A job, what answers questions about it, and what repairs it.

    Args:
        hands: answers.
        execution: runs the job.
    """

    hands: Here | InDaemon
    execution: Execution

    def repair(self, progress: Progress) -> Run:
        """Mend whatever differs, as a run, and return it as it ended. Raises as `Execution.run`."""
        return self.execution.run(self.hands.job.name, RunOptions(repair=True), progress)


@contextmanager
def inspecting(config: Path | None, name: str, role: str, stop: Stop | None = None) -> Iterator[Inspecting]:
    """Lend what answers questions about a job.

    Args:
        config: as given with --config.
        name: the job.
        role: what others are told about who opens the knowledge base.
        stop: asked to end a repair at its next batch boundary.

    Raises:
        ConfigError: there is no configuration, or it is faulty.
        NotFound: there is no such job.
        InUse: another command owns the knowledge base.
        SyncdError: the state, the database or the knowledge base does not answer.
    """
    plugins = Plugins()
    settings = load_settings(config, plugins)
    with ExitStack() as stack:
        state = State.open(settings.state.get_secret_value())
        stack.callback(state.close)
        parts = parts_of(settings, plugins, role, state)
        stack.callback(parts.close)
        execution = Execution(settings, state, parts, stop or Stop())
        execution.prepare([name])
        job = state.jobs.get(name)
        daemon = owning_daemon(parts, job.definition.kb_name)
        hands: Here | InDaemon = Here(Inspection(state, parts, now), job)
        if daemon is not None:
            hands = InDaemon(stack.enter_context(asking(daemon["url"], Scope.JOBS_READ)), job)
        yield Inspecting(hands, execution)
