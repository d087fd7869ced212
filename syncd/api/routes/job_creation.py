"""The short way to a job: one request, and every fault of it at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from starlette.exceptions import HTTPException

from syncd.api.access import caller_with
from syncd.api.schemas import EXAMPLE_JOB, Moment, Shown, example
from syncd.api.services import Services
from syncd.api.wording import details, faults
from syncd.errors import Conflict, Fault, Forbidden, Invalid
from syncd.model.access import Caller, Scope
from syncd.model.fields import Moment as WrittenMoment
from syncd.model.fields import Name
from syncd.model.job import Job, JobDefinition, JobStatus

_BY_FIELD = {"interval": "INVALID_INTERVAL", "start_time": "INVALID_DATETIME", "end_time": "INVALID_DATETIME"}
_FORMAT = {"value_error", "string_type", "datetime_type", "datetime_parsing"}
_STAND_INS: Mapping[str, Any] = {"content_columns": ["?"], "filter_column": "?", "interval": "1 DAY"}

Writer = Annotated[Caller, Depends(caller_with(Scope.JOBS_WRITE))]


class JobRequest(JobDefinition):
    """A job that shall be."""

    model_config = example(
        job_name="sync_orders", start_time="2036-01-01T00:00:00", end_time="2036-01-31T00:00:00", **EXAMPLE_JOB
    )

    job_name: Name
    """What the job is called; no other job may have the name."""
    start_time: WrittenMoment
    """The first tick, ISO 8601; without a zone it is UTC."""
    end_time: WrittenMoment
    """The last moment of a tick, ISO 8601; after it the job has ended."""


class CreatedJob(Shown):
    """The job that was made."""

    job_id: str
    job_name: str
    status: JobStatus
    created_at: Moment
    next_run: Moment | None


class Created(Shown):
    """The answer when the job was made."""

    success: Literal[True] = True
    message: Literal["Job created successfully"] = "Job created successfully"
    data: CreatedJob


class Refusal(Shown):
    """Why the job was not made."""

    code: Literal[
        "INVALID_REQUEST",
        "INVALID_INTERVAL",
        "INVALID_DATETIME",
        "INVALID_TABLE",
        "INVALID_KB",
        "DUPLICATE_JOB",
    ]
    message: str
    details: list[str]
    """Every fault of the request."""


class Refused(Shown):
    """The answer when the job was not made."""

    success: Literal[False] = False
    error: Refusal


class _Described:
    """Lets the description show a `JobRequest` where the route takes anything, to tell all faults in its own form."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(JobRequest.__pydantic_core_schema__)


Written = Annotated[Any, Body(), _Described()]


class _Route(APIRoute):
    """Answers what is no JSON as it answers every other fault of the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return _refused("INVALID_REQUEST", [f"{d.field} {d.message}" for d in details(error.errors())])
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                return _refused("INVALID_REQUEST", ["body cannot be read"])

        return answer


def router(services: Services) -> APIRouter:
    """Return the route that makes a job."""
    routes = APIRouter(prefix="/jobs", tags=["jobs"], route_class=_Route)

    @routes.post(
        "/create",
        status_code=201,
        response_model=Created,
        responses={400: {"model": Refused}, 409: {"model": Refused}},
        openapi_extra={"requestBody": {"required": True}},
    )
    def create(caller: Writer, request: Request, body: Written = None) -> Response:
        """Add a job that runs from `start_time` to `end_time`; the answer to a bad request lists all that is wrong."""
        if not isinstance(body, dict):
            return _refused("INVALID_REQUEST", ["the body must be a JSON object, sent as application/json"])
        found = _written_faults(body)
        found += _examined_faults(services, body, found)
        if found:
            return _refused(_code(found), [f"{fault.where} {fault.message}" for fault in found])
        wanted = JobRequest.model_validate(body)
        definition = JobDefinition.model_validate({name: getattr(wanted, name) for name in JobDefinition.model_fields})
        if not caller.reaches(wanted.job_name, definition.database, definition.kb_name):
            raise Forbidden(f"the token does not reach the job {wanted.job_name}", "ask for a token that does")
        try:
            job = services.jobs.create(wanted.job_name, definition, caller.name)
        except Conflict as error:
            return _refused("DUPLICATE_JOB", [str(error)], 409)
        except Invalid as error:
            return _refused(_code(error.faults), [f"{fault.where} {fault.message}" for fault in error.faults])
        services.changed()
        return _created(job, services.clock())

    return routes


def _written_faults(body: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the request as it is written."""
    try:
        JobRequest.model_validate(dict(body))
    except ValidationError as error:
        errors = error.errors()
        return [
            Fault(fault.where, fault.message, _BY_FIELD.get(fault.where, "") if entry["type"] in _FORMAT else "")
            for fault, entry in zip(faults(errors), errors, strict=True)
        ]
    return []


def _examined_faults(services: Services, body: Mapping[str, Any], written: Sequence[Fault]) -> list[Fault]:
    """Return what is wrong with what the request names, as far as it can be read."""
    faulty = {fault.where.split(".")[0] for fault in written}
    if not faulty:
        definition = JobDefinition.model_validate({key: value for key, value in body.items() if key != "job_name"})
        name = str(body["job_name"])
        return [*services.jobs.examine(definition), *services.jobs.check(name, definition)]
    known = {key: value for key, value in body.items() if key in JobDefinition.model_fields and key not in faulty}
    fields = {"source_table": "?.?", "kb_name": "none", **_STAND_INS, **known}
    try:
        definition = JobDefinition.model_validate(fields)
    except ValidationError:
        return []
    stood_in = fields.keys() - known.keys()
    return [fault for fault in services.jobs.examine(definition) if fault.where not in stood_in]


def _code(found: Sequence[Fault]) -> str:
    codes = {fault.code or "INVALID_REQUEST" for fault in found}
    return codes.pop() if len(codes) == 1 else "INVALID_REQUEST"


def _refused(code: str, details: list[str], status: int = 400) -> Response:
    message = "A job of that name exists already" if status == 409 else "Invalid job configuration"
    refused = Refused(error=Refusal.model_validate({"code": code, "message": message, "details": details}))
    # Plain ASCII: a name that was sent may hold what UTF-8 cannot.
    return Response(json.dumps(refused.model_dump()), status, media_type="application/json")


def _created(job: Job, now: datetime) -> JSONResponse:
    data = CreatedJob(
        job_id=job.public_id,
        job_name=job.name,
        status=job.status(now, running=False),
        created_at=job.created_at,
        next_run=job.definition.schedule.next_tick(now) if job.due else None,
    )
    return JSONResponse(Created(data=data).model_dump(mode="json"), 201)
