"""The Python client of a daemon's API: `with Client("http://127.0.0.1:8000") as syncd: ...`."""

from syncd.client.client import Client
from syncd.client.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Unauthorized, Unreachable
from syncd.client.job_values import Job, NewJob
from syncd.client.knowledge_bases import Match
from syncd.client.run_values import Run, RunRequest

__all__ = [
    "ApiError",
    "Client",
    "Conflict",
    "Forbidden",
    "Invalid",
    "Job",
    "Match",
    "NewJob",
    "NotFound",
    "Run",
    "RunRequest",
    "Unauthorized",
    "Unreachable",
]
