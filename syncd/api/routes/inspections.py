"""What can be asked about a job: a plan, a verification, and why a row is there or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from syncd.api.access import reach_job
from syncd.api.inspection_views import ExplanationView, PlanView
from syncd.api.routes.jobs import Reader
from syncd.api.services import Services
from syncd.errors import SyncdError
from syncd.model.inspection import Difference, Verification
from syncd.telemetry import hide_passwords

_LINES = "application/x-ndjson"
_TOLD: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "One JSON object a line: `difference` with a document that is not what its row says, `so_far` with what "
            "was compared until now, at the end `result` with what was compared in all, or `error`."
        ),
        "content": {_LINES: {"schema": {"type": "string"}}},
    }
}


def router(services: Services) -> APIRouter:
    """Return the routes that look at a job's table and its knowledge base, and change nothing."""
    routes = APIRouter(prefix="/v1/jobs/{job}", tags=["jobs"])

    @routes.post("/plan")
    def plan_job(caller: Reader, job: str) -> PlanView:
        """Predict what a job's next run will do; a large table takes minutes, since it is read as a run would."""
        return PlanView.of(services.inspection.plan(reach_job(services.state, caller, job)))

    @routes.post("/verify", response_class=StreamingResponse, responses=_TOLD)
    def verify_job(caller: Reader, job: str) -> StreamingResponse:
        """Compare a job's whole table with its knowledge base, chunk by chunk, and tell each difference."""
        found = services.inspection.verify(reach_job(services.state, caller, job))
        return StreamingResponse(_lines(found), media_type=_LINES)

    @routes.get("/why")
    def explain_row(
        caller: Reader,
        job: str,
        key: Annotated[
            str,
            Query(
                min_length=1,
                max_length=4096,
                description="The row's key, as documents' ids end with it, or as the database shows it.",
            ),
        ],
    ) -> ExplanationView:
        """Tell why a row is in the knowledge base, or is not."""
        return ExplanationView.of(services.inspection.why(reach_job(services.state, caller, job), key))

    return routes


def _lines(found: Iterator[Difference | Verification]) -> Iterator[str]:
    told: dict[str, Any] = {}
    try:
        for one in found:
            if told:
                yield f"{json.dumps(told)}\n"
            told = {"difference": asdict(one)} if isinstance(one, Difference) else {"so_far": shown(one)}
        yield f"{json.dumps({'result': told['so_far']})}\n"
    except SyncdError as error:
        # The answer has begun, so that its status can say nothing any more.
        yield f"{json.dumps({'error': {'code': error.code, 'message': hide_passwords(str(error))}})}\n"


def shown(verification: Verification) -> dict[str, Any]:
    """Return what programs are told about a verification."""
    return asdict(verification) | {"in_step": verification.in_step}
