"""How callers of another system name jobs and runs: a tag stands for a job, a number for a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from syncd.api.access import jobs_within, reach_job, reaches
from syncd.errors import Fault, Forbidden, Invalid, NotFound
from syncd.model.access import Caller
from syncd.model.job import Job
from syncd.model.run import Run
from syncd.state import State

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_AT_ONCE = 200


def tagged(state: State, caller: Caller, tag: str, value: str) -> Job | None:
    """Return the job that carries a tag of that value, within the caller's limits; None when there is none.

    Raises:
        Invalid: several jobs carry it.
    """
    found = [job for job in state.jobs.list() if job.definition.tags.get(tag) == value and reaches(caller, job)]
    if len(found) > 1:
        names = ", ".join(job.name for job in found)
        raise Invalid([Fault(f"tags.{tag}", f"is {value!r} for several jobs: {names}; it may stand for one")])
    return found[0] if found else None


def numbered(state: State, caller: Caller, number: str) -> Job | None:
    """Return the job of that number, within the caller's limits; None when there is none."""
    try:
        job = state.jobs.by_id(int(number)) if _NUMBER.fullmatch(number) else None
    except NotFound:
        return None
    return job if job is not None and reaches(caller, job) else None


def reachable(state: State, caller: Caller, reference: str) -> Job | None:
    """Return the job of that id or name, within the caller's limits; None when there is none."""
    try:
        return reach_job(state, caller, reference)
    except (NotFound, Forbidden):
        return None


def run_of(state: State, caller: Caller, number: str) -> Run:
    """Return the run of that number.

    Raises:
        NotFound: there is none, or its job is beyond the caller's limits.
    """
    run = _run(state, number)
    within = jobs_within(state, caller)
    if run is None or (within is not None and run.job_id not in within):
        raise NotFound(f"there is no job {number[:32]!r}")
    return run


def newest_first(
    state: State, caller: Caller, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Run]:
    """Yield the runs within the caller's limits, newest first, as they are asked for.

    Args:
        since, until: only those that were asked for in this time.
    """
    within = jobs_within(state, caller)
    before: int | None = None
    while found := state.runs.list(limit=_AT_ONCE, before=before, jobs=within, since=since, until=until):
        yield from found
        before = found[-1].number


def _run(state: State, number: str) -> Run | None:
    try:
        return state.runs.get(int(number)) if _NUMBER.fullmatch(number) else None
    except NotFound:
        return None
