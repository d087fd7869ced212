"""What a route asks of its caller."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from syncd.errors import Forbidden
from syncd.model.access import ANYONE_HERE, Caller, Scope
from syncd.model.job import Job


def caller_with(*scopes: Scope) -> Callable[[Request], Caller]:
    """Return a dependency that gives the caller, if they have all of these rights.

    Raises:
        Unauthorized: the request carries no valid token, and needs one.
        Forbidden: the token does not go that far.
    """

    def find(request: Request) -> Caller:
        caller: Caller = getattr(request.state, "caller", ANYONE_HERE)
        if not caller.may(*scopes):
            missing = ", ".join(scope for scope in scopes if not caller.may(scope))
            raise Forbidden(f"the token lacks {missing}", "ask for a token with that scope: syncd tokens create")
        return caller

    return find


def require_job(caller: Caller, job: Job) -> Job:
    """Return the job, if it is within the caller's limits.

    Raises:
        Forbidden: it is not.
    """
    if not caller.reaches(job.name, job.definition.database, job.definition.kb_name):
        raise Forbidden(f"the token does not reach the job {job.name}", "ask for a token that does")
    return job


def require_knowledge_base(caller: Caller, name: str) -> str:
    """Return the knowledge base's name, if it is within the caller's limits.

    Raises:
        Forbidden: it is not.
    """
    if not caller.reaches_knowledge_base(name):
        raise Forbidden(f"the token does not reach the knowledge base {name[:128]}", "ask for a token that does")
    return name


def require_database(caller: Caller, name: str) -> str:
    """Return the database's name, if it is within the caller's limits.

    Raises:
        Forbidden: it is not.
    """
    if not caller.reaches_database(name):
        raise Forbidden(f"the token does not reach the database {name[:128]}", "ask for a token that does")
    return name
