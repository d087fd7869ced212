"""Integrate.io's lists: which part of them is asked for, the pages around it, and jobs as schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Self, TypeVar
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from syncd.api.dialects.integrate_io_views import IntegrateIoStatus, Urls, Value, package_of, status_of, updated_at
from syncd.api.schemas import Moment, Shown
from syncd.model.fields import Moment as WrittenMoment
from syncd.model.job import Job
from syncd.model.run import Run
from syncd.model.schedule import parse_interval

T = TypeVar("T")

_UNITS: Mapping[str, timedelta] = {
    "weeks": timedelta(weeks=1),
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
}


class Package(Shown):
    """What a schedule runs."""

    package_id: int
    variables: dict[str, Value]


class Task(Shown):
    """What a schedule does."""

    packages: list[Package]


class IntegrateIoSchedule(Shown):
    """A job, as Integrate.io tells of a schedule."""

    id: int
    name: str
    description: str
    owner_id: int = 0
    """Always 0: tokens have names, and belong to no user."""
    status: str
    """enabled, or disabled when nothing is run by itself."""
    start_at: Moment | None
    next_run_at: Moment | None
    interval_amount: int
    interval_unit: str
    """minutes, hours, days or weeks."""
    task: Task
    last_run_at: Moment | None
    last_run_status: IntegrateIoStatus | None
    created_at: Moment
    updated_at: Moment
    url: str

    @classmethod
    def of(cls, job: Job, last: Run | None, urls: Urls, now: datetime) -> Self:
        """Show a job.

        Args:
            job: the job.
            last: the run of it that ended last.
            urls: where things are.
            now: the moment to judge its schedule by.
        """
        amount, unit = _interval(job.definition.interval)
        following = job.definition.schedule.next_tick(now) if job.due else None
        return cls(
            id=job.id,
            name=job.name,
            description=job.definition.description,
            status="enabled" if following is not None else "disabled",
            start_at=job.definition.start_time,
            next_run_at=following,
            interval_amount=amount,
            interval_unit=unit,
            task=Task(packages=[Package(package_id=package_of(job.id, job), variables={})]),
            last_run_at=None if last is None else last.started_at,
            last_run_status=None if last is None else status_of(last),
            created_at=job.created_at,
            updated_at=job.updated_at,
            url=f"{urls.server}v1/jobs/{job.public_id}",
        )


class Page(BaseModel):
    """Which part of a list to give, in what order."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    offset: Annotated[int, Field(ge=0, le=2**31)] = 0
    """How many to pass over."""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    """How many at most."""
    sort: Annotated[str, Field(pattern="^(created|updated)$")] = "created"
    """By which time: created or updated."""
    direction: Annotated[str, Field(pattern="^(asc|desc)$")] = "desc"
    """desc, newest first, or asc."""
    since: WrittenMoment | None = None
    """Only what was updated at this moment or later."""


class JobsPage(Page):
    """Which jobs to list."""

    status: Annotated[str, Field(pattern=f"^(all|{'|'.join(IntegrateIoStatus)})$")] = "all"
    """Only jobs of this status."""

    def takes(self, run: Run) -> bool:
        """Tell whether a run is one of those that are looked for; both words for stopping are one."""
        wanted = IntegrateIoStatus.STOPPING if self.status == IntegrateIoStatus.PENDING_STOPPAGE else self.status
        return wanted in {"all", status_of(run)} and (self.since is None or self.since <= updated_at(run))


class SchedulesPage(Page):
    """Which schedules to list."""

    status: Annotated[str, Field(pattern="^(all|enabled|disabled)$")] = "all"
    """Only schedules of this status."""

    def takes(self, schedule: IntegrateIoSchedule) -> bool:
        """Tell whether a schedule is one of those that are looked for."""
        return self.status in {"all", schedule.status} and (self.since is None or self.since <= schedule.updated_at)


def part(found: Iterable[T], page: Page, updated: Callable[[T], datetime]) -> list[T]:
    """Return the entries of a page, and one more where there are more.

    Args:
        found: newest first.
        page: which of them, in what order.
        updated: returns when an entry was updated.
    """
    if page.sort == "updated":
        found = sorted(found, key=updated, reverse=True)
    if page.direction == "asc":
        found = reversed(list(found))
    return list(islice(found, page.offset, page.offset + page.limit + 1))


def linked(found: list[T], page: Page, request: Request, response: Response) -> list[T]:
    """Return the entries of a page, and name the pages around it in the answer's `Link` header (RFC 5988)."""
    offsets = {"next": page.offset + page.limit} if len(found) > page.limit else {}
    if page.offset:
        offsets["prev"] = max(0, page.offset - page.limit)
    others = [(name, value) for name, value in request.query_params.multi_items() if name not in {"offset", "limit"}]
    links = [
        f'<{request.url.path}?{urlencode([*others, ("offset", offset), ("limit", page.limit)])}>; rel="{name}"'
        for name, offset in offsets.items()
    ]
    if links:
        response.headers["Link"] = ", ".join(links)
    return found[: page.limit]


def _interval(text: str) -> tuple[int, str]:
    interval = parse_interval(text)
    unit = next(name for name, length in _UNITS.items() if not interval % length)
    return interval // _UNITS[unit], unit
