"""Fills a new generation of a knowledge base beside the one that serves, and looks at what there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from syncd.errors import Conflict, SyncdError
from syncd.model.generation import Generation, GenerationState
from syncd.model.job import Job
from syncd.model.run import Run, RunOptions, Trigger
from syncd.parts import Parts
from syncd.shelf import Shelf
from syncd.state import State
from syncd.swap import fillers, waits_for
from syncd.triggers import Triggers, Wish

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A generation, and how it stands.

    Args:
        chunks: how many it holds; None where its store does not answer.
        waits_for: while it is being filled, what each job that has yet to fill it lacks.
    """

    generation: Generation
    chunks: int | None
    waits_for: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Begun:
    """A rebuild that goes on.

    Args:
        new: whether it began just now.
        jobs: the jobs that have yet to fill it and can run.
        left_out: jobs that have ended; their documents are not in the new generation.
    """

    standing: Standing
    new: bool
    jobs: tuple[Job, ...]
    left_out: tuple[Job, ...]


class Rebuild:
    """Begins and gives up rebuilds.

    Args:
        state: knows the jobs and how far they are.
        parts: opens knowledge bases.
        clock: tells the time, aware and in UTC.
    """

    def __init__(self, state: State, parts: Parts, clock: Callable[[], datetime]) -> None:
        self._state = state
        self._parts = parts
        self._clock = clock

    def begin(self, name: str, *, recalls: bool) -> Begun:
        """Begin to fill a new generation with the configuration's embedding, unless that goes on already.

        From now on every run of the knowledge base's jobs fills it. It serves once each has read its table to the end.

        Args:
            name: the knowledge base.
            recalls: whether to take vectors of other generations, where text and embedding are the same.

        Raises:
            NotFound: there is no such knowledge base.
            Conflict: no job fills it, a restart has to apply its new configuration first, its store keeps only one
                generation, or another embedding is filling a new one.
            SyncdError: as opening it raises.
        """
        with self._parts.shelf(name) as shelf:
            jobs = fillers(self._state, name, self._clock())
            if self._parts.is_outdated(name):
                raise Conflict(f"the knowledge base {name} is configured anew", "restart syncd, and then rebuild it")
            if not jobs:
                raise Conflict(f"no job fills the knowledge base {name}", "add one, or enable it")
            generation, new = shelf.begin(recalls=recalls)
            standing = self._standing(name, shelf, generation)
            served = shelf.serving().uuid
        if new:
            log.info("a new generation of the knowledge base %s is being filled", name)
        able = [job for job in jobs if job.name in standing.waits_for and job.definition.enabled and not job.paused]
        return Begun(standing, new, tuple(able), self._left_out(name, jobs, served))

    def ask(self, begun: Begun, triggers: Triggers, trigger: Trigger, by: str | None = None) -> list[Run]:
        """Queue a run of each job that has yet to fill it and can run.

        Args:
            by: the name of the token that asks.
        """
        return [triggers.ask(job, Wish(options_for(job), trigger, by=by)) for job in begun.jobs]

    def look(self, name: str) -> list[Standing]:
        """Return the generations of a knowledge base. Raises as `Parts.shelf`."""
        with self._parts.shelf(name) as shelf:
            return [self._standing(name, shelf, one) for one in _in_order(shelf.generations())]

    def look_if_open(self, name: str) -> list[Standing] | None:
        """Return the generations of a knowledge base that is open; None where it is not, or does not answer."""
        with suppress(SyncdError), self._parts.opened(name) as shelf:
            if shelf is not None:
                return [self._standing(name, shelf, one) for one in _in_order(shelf.generations())]
        return None

    def drop(self, name: str, uuid: str) -> None:
        """Remove a generation; the one that is being filled goes with its rebuild.

        Raises:
            NotFound: there is no such knowledge base, or no such generation.
            Conflict: it serves.
            SyncdError: as opening it raises.
        """
        with self._parts.shelf(name) as shelf:
            shelf.drop(uuid)
        log.info("the generation %s of the knowledge base %s was dropped", uuid, name)

    def _standing(self, name: str, shelf: Shelf, generation: Generation) -> Standing:
        chunks = None
        with suppress(SyncdError):
            chunks = shelf.knowledge_base(generation.uuid).count()
        if generation.state is not GenerationState.FILLING:
            return Standing(generation, chunks)
        return Standing(generation, chunks, waits_for(self._state, name, generation, self._clock()))

    def _left_out(self, name: str, jobs: list[Job], served: str) -> tuple[Job, ...]:
        filling = {job.id for job in jobs}
        others = [
            job
            for job in self._state.jobs.list(include_ended=True)
            if job.definition.kb_name == name and job.id not in filling
        ]
        known = self._state.checkpoints.of([job.id for job in others])
        return tuple(job for job in others if job.id in known and known[job.id].identity.uuid == served)


def options_for(job: Job) -> RunOptions:
    """Return what a run has to do that fills a new generation: what only a sweep sees belongs into it too."""
    return RunOptions(sweep=job.definition.deletes.sweep_interval is not None)


def _in_order(generations: list[Generation]) -> list[Generation]:
    order = list(GenerationState)
    return sorted(generations, key=lambda one: order.index(one.state))
