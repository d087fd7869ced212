"""Who asks, and what a route asks of them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from syncd.api.names import find_job
from syncd.api.services import Services
from syncd.errors import Forbidden, NotFound, Unauthorized, Unavailable
from syncd.model.access import ANYONE_HERE, Caller, Scope
from syncd.model.job import Job
from syncd.state import State

log = logging.getLogger(__name__)

_BEARER = HTTPBearer(
    scheme_name="token",
    bearerFormat="syncd_<number>_<43 characters>",
    description="A token from `syncd tokens create` or `POST /v1/tokens`. None is needed while there are none. "
    "A route names the scopes that it needs; where it names none, a token with any scope will do.",
    auto_error=False,
)


def authenticate(services: Services, secret: str | None) -> Caller:
    """Return who asks, by the secret that the request carries, in whatever form it carries it.

    Args:
        services: what the routes stand on.
        secret: the whole token (`syncd_...`); None where the request has none.

    Raises:
        Unauthorized: a token is needed, and this is no valid one; it is not said what is wrong with it.
    """
    now = services.clock()
    tokens = services.state.tokens
    token = None if secret is None else tokens.find(secret, now)
    if token is not None:
        try:
            tokens.used(token, now)
        except Unavailable as error:
            # Whoever only reads is answered while nothing can be written.
            log.warning("the last use of the token %s is not remembered: %s", token.name, error)
        return token.caller
    if services.anonymous and not tokens.exist():
        return ANYONE_HERE
    raise Unauthorized("a valid token is needed", "send one as Authorization: Bearer syncd_...")


def caller_with(*scopes: Scope) -> Callable[..., Caller]:
    """Return a dependency that gives the caller, if they have all of these rights, or any where none is named.

    Raises:
        Unauthorized: the request carries no valid token, and needs one.
        Forbidden: the token does not go that far.
    """

    def find(
        request: Request, credentials: HTTPAuthorizationCredentials | None = Security(_BEARER, scopes=list(scopes))
    ) -> Caller:
        caller = authenticate(request.app.state.services, None if credentials is None else credentials.credentials)
        return require_scopes(caller, *scopes)

    return find


def require_scopes(caller: Caller, *scopes: Scope) -> Caller:
    """Return the caller, if they have all of these rights, or any where none is named.

    Raises:
        Forbidden: they have not.
    """
    missing = ", ".join(scope for scope in scopes if not caller.may(scope)) or ("" if caller.scopes else "every scope")
    if missing:
        raise Forbidden(f"the token lacks {missing}", "ask for a token with that scope: syncd tokens create")
    return caller


def require_job(caller: Caller, job: Job) -> Job:
    """Return the job, if it is within the caller's limits.

    Raises:
        Forbidden: it is not.
    """
    if not reaches(caller, job):
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


def reaches(caller: Caller, job: Job) -> bool:
    """Tell whether a job is within the caller's limits."""
    return caller.reaches(job.name, job.definition.database, job.definition.kb_name)


def reach_job(state: State, caller: Caller, reference: str) -> Job:
    """Return the job of that id or name, if it is within the caller's limits.

    Raises:
        NotFound: there is none; who is limited is not told which names are close.
        Forbidden: it is beyond the limits.
    """
    try:
        return require_job(caller, find_job(state, reference))
    except NotFound as error:
        if caller.limited:
            raise NotFound(error.message, "GET /v1/jobs lists the jobs") from None
        raise


def jobs_within(state: State, caller: Caller) -> frozenset[int] | None:
    """Return the numbers of the jobs within the caller's limits; None where there are no limits."""
    if not caller.limited:
        return None
    return frozenset(job.id for job in state.jobs.list(include_ended=True) if reaches(caller, job))


def require_database(caller: Caller, name: str) -> str:
    """Return the database's name, if it is within the caller's limits.

    Raises:
        Forbidden: it is not.
    """
    if not caller.reaches_database(name):
        raise Forbidden(f"the token does not reach the database {name[:128]}", "ask for a token that does")
    return name
