"""How paths and parameters name jobs and runs."""

from __future__ import annotations

import re

from syncd.errors import NotFound
from syncd.model.fields import NAME_PATTERN
from syncd.model.job import Job
from syncd.state import State

_JOB_ID = re.compile(r"job_([1-9][0-9]{0,17})")
_RUN_ID = re.compile(r"run_([1-9][0-9]{0,17})")


def find_job(state: State, reference: str) -> Job:
    """Return the job of that id (`job_12`), else the one of that name.

    Raises:
        NotFound: there is neither.
    """
    match = _JOB_ID.fullmatch(reference)
    if match is not None:
        try:
            return state.jobs.by_id(int(match[1]))
        except NotFound:
            # A job's own name may look like an id.
            return state.jobs.get(reference)
    if re.fullmatch(NAME_PATTERN, reference) is None:
        raise NotFound(f"no job can have the name {reference[:128]!r}", "GET /v1/jobs lists the jobs")
    return state.jobs.get(reference)


def version_number(job: Job, reference: str) -> int:
    """Return the number that a version's number (`3`) or id (`job_12.3`) means.

    Raises:
        NotFound: the job can have no such version.
    """
    number = reference.removeprefix(f"{job.public_id}.")
    if re.fullmatch(r"[1-9][0-9]{0,8}", number) is None:
        raise NotFound(f"the job has no version {reference[:128]!r}", "a version is a number, such as 3")
    return int(number)


def run_number(reference: str) -> int:
    """Return the number in a run's id (`run_7`).

    Raises:
        NotFound: no run can have that id.
    """
    match = _RUN_ID.fullmatch(reference)
    if match is None:
        raise NotFound(f"no run can have the id {reference[:128]!r}", "a run's id looks like run_7")
    return int(match[1])
