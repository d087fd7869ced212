"""Tells when a new generation of a knowledge base is complete, so that it can take the old one's place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from syncd.model.generation import Generation
from syncd.model.job import Job
from syncd.model.run import Checkpoint, Sweep
from syncd.state import State


def fillers(state: State, knowledge_base: str, now: datetime) -> list[Job]:
    """Return the jobs whose documents a complete generation of a knowledge base holds.

    A job that has ended is none of them, nor one that is disabled and never ran.
    """
    jobs = [
        job
        for job in state.jobs.list()
        if job.definition.kb_name == knowledge_base and not job.definition.schedule.ended(now)
    ]
    known = state.checkpoints.of([job.id for job in jobs])
    return [job for job in jobs if job.definition.enabled or job.id in known]


def is_complete(state: State, knowledge_base: str, generation: Generation, now: datetime) -> bool:
    """Tell whether a generation holds what all of its jobs have to add; without a job there is nothing to hold."""
    return bool(fillers(state, knowledge_base, now)) and not waits_for(state, knowledge_base, generation, now)


def waits_for(state: State, knowledge_base: str, generation: Generation, now: datetime) -> Mapping[str, str]:
    """Say of each job that has yet to fill a generation what is missing."""
    jobs = fillers(state, knowledge_base, now)
    known = state.checkpoints.of([job.id for job in jobs])
    missing = {}
    for job in jobs:
        reason = _missing(job, known.get(job.id), state.sweeps.get(job.id), generation)
        if reason is not None:
            missing[job.name] = f"{reason}{_obstacle(job)}"
    return missing


def _missing(job: Job, checkpoint: Checkpoint | None, sweep: Sweep | None, generation: Generation) -> str | None:
    if checkpoint is None or checkpoint.identity.uuid != generation.uuid:
        return "has not begun to fill it"
    if checkpoint.glance is None or checkpoint.meaning != job.definition.meaning():
        return "has not read its table to the end"
    if job.definition.deletes.sweep_interval is None or generation.created_at is None:
        return None
    # What only a sweep sees is missing until one has looked.
    return None if sweep is not None and sweep.swept_at >= generation.created_at else "has not swept its table"


def _obstacle(job: Job) -> str:
    if not job.definition.enabled:
        return f", and is disabled: `syncd sync {job.name}` runs it once"
    if job.paused:
        return f", and is paused: `syncd sync {job.name}` runs it once"
    return "" if job.blocked is None else f", and is blocked: {job.blocked}"
