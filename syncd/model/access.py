"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from syncd.model.job import Job


class Scope(StrEnum):
    """A right that a token may carry."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    JOBS_TRIGGER = "jobs:trigger"
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    KB_READ = "kb:read"
    KB_WRITE = "kb:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asked, with their rights.

    Args:
        name: who it is, for `created_by`; None where nobody has to say so.
        scopes: what the caller may do; `admin` includes everything.
        jobs, databases, knowledge_bases: the names that the rights are limited to; None for all.
    """

    name: str | None
    scopes: frozenset[Scope]
    jobs: frozenset[str] | None = None
    databases: frozenset[str] | None = None
    knowledge_bases: frozenset[str] | None = None

    def may(self, *scopes: Scope) -> bool:
        """Tell whether the caller has all of these rights."""
        return Scope.ADMIN in self.scopes or self.scopes.issuperset(scopes)

    @property
    def limited(self) -> bool:
        """Whether there are jobs that the caller does not reach."""
        return not (self.jobs is None and self.databases is None and self.knowledge_bases is None)

    def reaches(self, job: str, database: str, knowledge_base: str) -> bool:
        """Tell whether a job of that name, between that database and that knowledge base, is within the limits."""
        return all(
            (
                _within(self.jobs, job),
                _within(self.databases, database),
                _within(self.knowledge_bases, knowledge_base),
            )
        )

    def reaches_job(self, job: Job) -> bool:
        """Tell whether a job is within the limits."""
        return self.reaches(job.name, job.definition.database, job.definition.kb_name)

    def reaches_database(self, name: str) -> bool:
        """Tell whether a database is within the limits."""
        return _within(self.databases, name)

    def reaches_knowledge_base(self, name: str) -> bool:
        """Tell whether a knowledge base is within the limits."""
        return _within(self.knowledge_bases, name)


ANYONE_HERE = Caller(None, frozenset({Scope.ADMIN}))
"""A process of this machine, while there is no token: being here is its right."""


def _within(limit: Collection[str] | None, name: str) -> bool:
    return limit is None or name in limit
