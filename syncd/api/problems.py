"""Errors as HTTP answers: the tree of `syncd.errors`, and what HTTP itself refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from syncd import errors
from syncd.api.schemas import Detail, Fault, Problem
from syncd.api.wording import details as details_of
from syncd.telemetry import hide_passwords

RETRY_SECONDS = 5


class _Kind(NamedTuple):
    status: int
    headers: Mapping[str, str] = {}


_RETRY = {"Retry-After": str(RETRY_SECONDS)}


# A class that is not here is answered as its nearest parent that is.
_KINDS: Mapping[type[errors.SyncdError], _Kind] = {
    errors.SyncdError: _Kind(500),
    errors.ConfigError: _Kind(422),
    errors.NotFound: _Kind(404),
    errors.Conflict: _Kind(409),
    errors.Invalid: _Kind(422),
    errors.Unauthorized: _Kind(401, {"WWW-Authenticate": "Bearer"}),
    errors.Forbidden: _Kind(403),
    errors.LeaseLost: _Kind(409),
    errors.Cancelled: _Kind(409),
    errors.Unavailable: _Kind(503, _RETRY),
    errors.TransientError: _Kind(503, _RETRY),
    errors.PermanentError: _Kind(503),
    errors.RecordError: _Kind(422),
}

_STATUSES = {
    400: ("INVALID_REQUEST", "the body cannot be read"),
    404: ("NOT_FOUND", "there is nothing at this path; /openapi.json lists what there is"),
    405: ("METHOD_NOT_ALLOWED", "this path takes other methods; the Allow header names them"),
    408: ("TIMED_OUT", "the body did not come in time"),
    413: ("TOO_LARGE", "the body is larger than 1 MiB"),
    500: ("INTERNAL", "syncd met an error that it does not know; its log has the whole story under this request_id"),
}


def answer(
    status: int,
    code: str,
    message: str,
    request_id: str,
    *,
    details: Sequence[Detail] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the one form that every error is answered in.

    Args:
        status: the HTTP status.
        code: for programs to decide by.
        message: for people.
        request_id: which request is answered.
        details: everything that is wrong, where there is more to say.
        headers: further headers.
    """
    fault = Fault(code=code, message=hide_passwords(message), details=list(details))
    problem = Problem(error=fault, request_id=request_id)
    # Plain ASCII: a name that was sent may hold what UTF-8 cannot.
    content = json.dumps(problem.model_dump(mode="python"), ensure_ascii=True)
    return Response(content, status, dict(headers or {}), "application/json")


def of_status(status: int, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer for a status that HTTP itself asks for."""
    code, message = _STATUSES.get(status, ("ERROR", "the request cannot be done"))
    return answer(status, code, message, request_id, headers=headers)


def fault_of(error: errors.SyncdError) -> Fault:
    """Return an error of syncd as it is told."""
    faults = error.faults if isinstance(error, errors.ConfigError | errors.Invalid) else ()
    details = [Detail(field=fault.where, message=hide_passwords(fault.message)) for fault in faults]
    return Fault(code=error.code, message=hide_passwords(str(error)), details=details)


def kind_of(error: errors.SyncdError) -> _Kind:
    """Return the status and the headers that an error of syncd is answered with."""
    return next(_KINDS[cls] for cls in type(error).__mro__ if cls in _KINDS)


def of_error(error: errors.SyncdError, request_id: str) -> Response:
    """Return the answer for an error of syncd."""
    kind = kind_of(error)
    fault = fault_of(error)
    return answer(
        kind.status,
        fault.code,
        fault.message,
        request_id,
        details=fault.details,
        headers=kind.headers,
    )


def install(app: FastAPI, methods: Callable[[str], Collection[str]]) -> None:
    """Let the app answer errors in this form.

    Args:
        app: gets the handlers.
        methods: names the methods that a path takes.
    """

    @app.exception_handler(errors.SyncdError)
    async def _(request: Request, error: errors.SyncdError) -> Response:
        return of_error(error, request.state.request_id)

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        headers = error.headers
        if error.status_code == 405:
            # The router names the methods of one route, and a path may have several.
            allowed = await run_in_threadpool(methods, request.url.path)
            headers = {"Allow": ", ".join(allowed)} if allowed else headers
        return of_status(error.status_code, request.state.request_id, headers)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        found = details_of(error.errors())
        message = "; ".join(f"{detail.field} {detail.message}" for detail in found)
        return answer(422, "INVALID_REQUEST", message, request.state.request_id, details=found)
