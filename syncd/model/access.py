"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
        expires_at: when the rights end; None for never.
    """

    name: str | None
    scopes: frozenset[Scope]
    jobs: frozenset[str] | None = None
    databases: frozenset[str] | None = None
    knowledge_bases: frozenset[str] | None = None
    expires_at: datetime | None = None

    @property
    def limited(self) -> bool:
        """Whether there are jobs, databases or knowledge bases that the caller cannot reach."""
        return (self.jobs, self.databases, self.knowledge_bases) != (None, None, None)

    def may(self, *scopes: Scope) -> bool:
        """Tell whether the caller has all of these rights."""
        return Scope.ADMIN in self.scopes or self.scopes.issuperset(scopes)

    def reaches(self, job: str, database: str, knowledge_base: str) -> bool:
        """Tell whether a job of that name, between that database and that knowledge base, is within the limits."""
        return all(
            (
                _within(self.jobs, job),
                _within(self.databases, database),
                _within(self.knowledge_bases, knowledge_base),
            )
        )

    def reaches_database(self, name: str) -> bool:
        """Tell whether a database is within the limits."""
        return _within(self.databases, name)

    def reaches_knowledge_base(self, name: str) -> bool:
        """Tell whether a knowledge base is within the limits."""
        return _within(self.knowledge_bases, name)

    def lacks(self, other: Caller) -> list[str]:
        """Say which rights of somebody else the caller does not have, by the names of their fields."""
        lacking = [] if self.may(*other.scopes) else ["scopes"]
        limits = (
            ("jobs", self.jobs, other.jobs),
            ("databases", self.databases, other.databases),
            ("knowledge_bases", self.knowledge_bases, other.knowledge_bases),
        )
        return lacking + [name for name, mine, theirs in limits if not _covers(mine, theirs)]

    def outlives(self, other: Caller) -> bool:
        """Tell whether the caller's rights last at least as long as somebody else's."""
        return self.expires_at is None or (other.expires_at is not None and other.expires_at <= self.expires_at)


class TokenStatus(StrEnum):
    """What a token is good for."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is remembered; its secret is not.

    Args:
        number: counts up, and is never given twice.
        name: unique among the tokens that are not revoked.
        caller: who asks with it.
        created_by: the name of the token that made it; None for somebody on the machine itself.
        last_used_at: to the minute.
    """

    number: int
    name: str
    caller: Caller
    created_at: datetime
    created_by: str | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def id(self) -> str:
        """The token's id, such as `tok_3`."""
        return f"tok_{self.number}"

    def status(self, now: datetime) -> TokenStatus:
        """Tell whether the token is good for anything."""
        if self.revoked_at is not None:
            return TokenStatus.REVOKED
        expires_at = self.caller.expires_at
        return TokenStatus.EXPIRED if expires_at is not None and expires_at <= now else TokenStatus.ACTIVE


ANYONE_HERE = Caller(None, frozenset({Scope.ADMIN}))
"""A process of this machine, while there is no token: being here is its right."""


def _within(limit: Collection[str] | None, name: str) -> bool:
    return limit is None or name in limit


def _covers(mine: frozenset[str] | None, theirs: frozenset[str] | None) -> bool:
    return mine is None or (theirs is not None and theirs <= mine)
