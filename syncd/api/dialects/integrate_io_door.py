"""Who may use Integrate.io's routes, how often, and what a refusal looks like there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.exceptions import HTTPException

from syncd.api.access import authenticate, require_scopes
from syncd.api.dialects.integrate_io_views import IntegrateIoError
from syncd.api.dialects.rate_limit import Allowance, RateLimit
from syncd.api.dialects.refusals import Refusal, routes_that_refuse
from syncd.api.schemas import Problem
from syncd.api.services import Services
from syncd.errors import NotFound, Unauthorized
from syncd.model.access import Caller, Scope

MEDIA_TYPE = "application/vnd.xplenty+json; version=2"

_BASIC = HTTPBasic(
    scheme_name="integrate_io",
    realm="syncd",
    description="A token from `syncd tokens create` as the user, and an empty password.",
    auto_error=False,
)
# One of their clients leaves the semicolon out, one of their pages writes a comma.
_ACCEPT = re.compile(r"application/vnd\.xplenty\+json[;,\s]+version=2\b", re.IGNORECASE)
# Their answers know no other status for what contradicts the state of things.
_UNPROCESSABLE = {409: 422}
_DESCRIPTIONS: Mapping[int | str, str] = {
    400: "The request cannot be read",
    401: "There are no valid credentials, and some are needed",
    403: "The token does not go that far, or the request is another site's",
    404: "There is no such job, or the request does not accept version 2 of the media type",
    422: "A field is wrong, or the job is not as it has to be",
    429: "An hour's requests are used up; Retry-After says when there are new ones",
    "4XX": "The request cannot be done",
    "5XX": "syncd cannot do it now",
}


class Answer(JSONResponse):
    """JSON in the media type of Integrate.io's answers."""

    media_type = MEDIA_TYPE


class Door:
    """Lets callers in whose token is good, who have requests left, and who accept the media type.

    Args:
        services: what the routes stand on.
        requests_per_hour: how many requests each token may make.
    """

    def __init__(self, services: Services, requests_per_hour: int) -> None:
        self._services = services
        self._rates = RateLimit(requests_per_hour, services.clock)

    def routes(self) -> APIRouter:
        """Return routes, as yet none, that answer in the form of Integrate.io's."""
        return APIRouter(
            prefix="/{account_id}/api",
            tags=["integrate.io"],
            route_class=routes_that_refuse(_refused),
            default_response_class=Answer,
            responses=_responses(),
        )

    def caller_with(self, *scopes: Scope, free: bool = False) -> Any:
        """Return a dependency that gives the caller, if they have all of these rights.

        Args:
            scopes: the rights.
            free: take no request from those that are left.

        Raises:
            Unauthorized: the request carries no valid token as its user, or a password.
            HTTPException: there is no request left.
            Forbidden: the token does not go that far.
            NotFound: the request does not accept the media type.
        """

        def find(
            request: Request,
            response: Response,
            credentials: HTTPBasicCredentials | None = Security(_BASIC, scopes=list(scopes)),
        ) -> Caller:
            if credentials is not None and credentials.password:
                raise Unauthorized("the password has to be empty")
            caller = authenticate(self._services, None if credentials is None else credentials.username)
            request.state.allowance = _told(self.left(caller) if free else self._taken(caller))
            response.headers.update(request.state.allowance)
            require_scopes(caller, *scopes)
            if not any(_ACCEPT.search(value) for value in request.headers.getlist("accept")):
                raise NotFound(f"there is nothing here for this Accept header: send Accept: {MEDIA_TYPE}")
            return caller

        return Depends(find)

    def left(self, caller: Caller) -> Allowance:
        """Return what a caller has left."""
        return self._rates.look(caller.name)

    def _taken(self, caller: Caller) -> Allowance:
        allowance = self._rates.take(caller.name)
        if allowance is None:
            left = self.left(caller)
            raise HTTPException(429, "Rate Limit Exceeded", {**_told(left), "Retry-After": str(left.seconds)})
        return allowance


def _responses() -> dict[int | str, dict[str, Any]]:
    known: dict[int | str, dict[str, Any]] = {}
    for status, description in _DESCRIPTIONS.items():
        # Some requests are refused before a route is found, in syncd's own form.
        model = IntegrateIoError | Problem if status in {403, "4XX", "5XX"} else IntegrateIoError
        known[status] = {"model": model, "description": description}
    known[429]["headers"] = {
        name: {"description": description, "schema": {"type": "integer"}}
        for name, description in {
            "X-RateLimit-Limit": "Requests per hour",
            "X-RateLimit-Remaining": "How many of them are left",
            "Retry-After": "Seconds until there are new ones",
        }.items()
    }
    return known


def _refused(request: Request, refusal: Refusal) -> Response:
    status = _UNPROCESSABLE.get(refusal.status, refusal.status)
    if status == 401:
        challenge = {"WWW-Authenticate": 'Basic realm="syncd"'}
        return Answer({"message": "Invalid or missing credentials."}, status, challenge)
    headers = {**refusal.headers, **getattr(request.state, "allowance", {})}
    return Answer({"message": refusal.message}, status, headers)


def _told(allowance: Allowance) -> dict[str, str]:
    return {"X-RateLimit-Limit": str(allowance.limit), "X-RateLimit-Remaining": str(allowance.remaining)}
