"""Errors of a dialect's routes, answered in the dialect's own form."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from syncd.api import problems
from syncd.api.wording import details
from syncd.errors import SyncdError


class Refusal(NamedTuple):
    """Why a request was not done: what the core says, for a dialect to say in its own words."""

    status: int
    message: str
    headers: Mapping[str, str]


def routes_that_refuse(
    answer: Callable[[Request, Refusal], Response], prepare: Callable[[Request], None] = lambda request: None
) -> type[APIRoute]:
    """Return a class of routes whose errors are answered by this function; only what nobody expected goes on.

    Args:
        answer: makes the answer to a request that was refused.
        prepare: called with each request before it is read.
    """

    class Refusing(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def handled(request: Request) -> Response:
                prepare(request)
                try:
                    return await handle(request)
                except (SyncdError, RequestValidationError, HTTPException) as error:
                    return answer(request, _refusal(error))

            return handled

    return Refusing


def _refusal(error: SyncdError | RequestValidationError | HTTPException) -> Refusal:
    if isinstance(error, SyncdError):
        kind = problems.kind_of(error)
        return Refusal(kind.status, problems.fault_of(error).message, kind.headers)
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, str(error.detail), error.headers or {})
    found = error.errors()
    of_fields = all(
        entry["loc"][0] == "body" and entry["loc"][1:] and entry["type"] != "json_invalid" for entry in found
    )
    message = "; ".join(f"{detail.field} {detail.message}" for detail in details(found))
    return Refusal(422 if of_fields else 400, message, {})
