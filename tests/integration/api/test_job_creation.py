"""The short way to a job: its answers, and every fault of a request at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from syncd.config.settings import Limits
from tests.integration.api.conftest import World, serving

WANTED: dict[str, Any] = {
    "job_name": "sync_orders",
    "source_table": "shop.orders",
    "kb_name": "orders_kb",
    "content_columns": ["product", "description"],
    "filter_column": "created_at",
    "interval": "10 MINUTES",
    "start_time": "2026-01-02T18:00:00",
    "end_time": "2026-01-03T18:00:00",
}


def refused(client: httpx.Client, status: int = 400, **change: Any) -> dict[str, Any]:
    """Send the request with these fields changed, or left out where they are `...`, and return the error."""
    body = {name: value for name, value in (WANTED | change).items() if value is not ...}
    answer = client.post("/jobs/create", json=body)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"success", "error"}
    assert told["success"] is False
    assert set(told["error"]) == {"code", "message", "details"}
    error: dict[str, Any] = told["error"]
    assert error["details"]
    assert all(isinstance(detail, str) for detail in error["details"])
    return error


def test_a_job_is_made_and_told_in_the_envelope(client: httpx.Client, world: World) -> None:
    answer = client.post("/jobs/create", json=WANTED)
    assert answer.status_code == 201
    assert answer.json() == {
        "success": True,
        "message": "Job created successfully",
        "data": {
            "job_id": "job_1",
            "job_name": "sync_orders",
            "status": "scheduled",
            "created_at": "2026-01-01T12:00:00Z",
            "next_run": "2026-01-02T18:00:00Z",
        },
    }
    job = client.get("/v1/jobs/sync_orders").json()
    assert (job["origin"], job["defined_in"], job["end_time"]) == ("api", "the API", "2026-01-03T18:00:00Z")
    assert world.told == ["changed"]


@pytest.mark.parametrize(
    "interval", ["1 minute", "  30   MINUTES ", "1 HOUR", "6 HOURS", "7 days", "2 WEEKS", "HOURLY", "Daily", "weekly"]
)
def test_every_form_of_an_interval_is_taken(client: httpx.Client, interval: str) -> None:
    assert client.post("/jobs/create", json=WANTED | {"interval": interval}).status_code == 201


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"job_name": ...}, "INVALID_REQUEST", "job_name is required"),
        ({"job_name": "no spaces"}, "INVALID_REQUEST", "job_name"),
        ({"content_columns": []}, "INVALID_REQUEST", "content_columns"),
        ({"content_columns": "product"}, "INVALID_REQUEST", "content_columns"),
        ({"content_columns": ["prodct"]}, "INVALID_REQUEST", "content_columns has no column 'prodct'"),
        ({"colour": "red"}, "INVALID_REQUEST", "colour is not known here"),
        ({"interval": "5 SECONDS"}, "INVALID_INTERVAL", "interval '5 SECONDS' is not an interval"),
        ({"interval": "soon"}, "INVALID_INTERVAL", "interval 'soon' is not an interval"),
        ({"interval": 10}, "INVALID_INTERVAL", "interval must be text"),
        ({"interval": ...}, "INVALID_REQUEST", "interval is required"),
        ({"start_time": "tomorrow"}, "INVALID_DATETIME", "start_time 'tomorrow' is not a time"),
        ({"start_time": 5}, "INVALID_DATETIME", "start_time"),
        ({"end_time": ...}, "INVALID_REQUEST", "end_time is required"),
        ({"end_time": "2026-01-02T18:00:00"}, "INVALID_DATETIME", "end_time must be later than start_time"),
        ({"start_time": "2025-01-01T00:00:00", "end_time": "2025-01-02T00:00:00"}, "INVALID_DATETIME", "already past"),
        ({"end_time": "2026-02-02T18:00:00"}, "INVALID_REQUEST", "limits.max_duration, 30 DAYS"),
        ({"source_table": "shop.nothing"}, "INVALID_TABLE", "source_table there is no such table"),
        ({"source_table": "orders"}, "INVALID_REQUEST", "source_table"),
        ({"kb_name": "nothing_kb"}, "INVALID_KB", "kb_name there is no such knowledge base"),
        ({"interval": "soon", "kb_name": "nothing_kb"}, "INVALID_REQUEST", "kb_name there is no such knowledge base"),
    ],
)
def test_each_fault_has_its_code(client: httpx.Client, change: dict[str, Any], code: str, told: str) -> None:
    error = refused(client, **change)
    assert error["code"] == code
    assert any(told in detail for detail in error["details"]), error["details"]


def test_every_fault_is_told_at_once(client: httpx.Client, world: World) -> None:
    error = refused(
        client, job_name=..., interval="soon", start_time="x", source_table="shop.nothing", kb_name="none_kb", colour=1
    )
    assert error["code"] == "INVALID_REQUEST"
    fields = {detail.split(" ")[0] for detail in error["details"]}
    assert fields == {"job_name", "interval", "start_time", "source_table", "kb_name", "colour"}
    assert world.state.jobs.list() == []


@pytest.mark.parametrize("body", ["", "[]", "null", '"text"', "{", "7"])
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, body: str) -> None:
    answer = client.post("/jobs/create", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["code"] == "INVALID_REQUEST"


def test_an_interval_below_the_limit_is_a_fault_of_the_request(world: World) -> None:
    world.limits = Limits(min_interval="1 HOUR")
    with serving(world) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        error = refused(client, interval="59 MINUTES")
    assert (error["code"], "limits.min_interval" in error["details"][0]) == ("INVALID_REQUEST", True)


def test_a_name_is_taken_once_even_by_fifty_at_once(client: httpx.Client, world: World) -> None:
    world.tables += [f"shop.t{n}" for n in range(50)]

    def create(number: int) -> httpx.Response:
        return client.post("/jobs/create", json=WANTED | {"source_table": f"shop.t{number}"})

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(create, range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {"DUPLICATE_JOB"}
    assert len(world.state.jobs.list()) == 1


def test_a_name_of_a_file_is_taken_too(client: httpx.Client, world: World) -> None:
    world.job("sync_orders", source_table="shop.items")
    error = refused(client, 409)
    assert error["code"] == "DUPLICATE_JOB"
    assert "a configuration file" in error["details"][0]


def test_a_hundred_active_jobs_are_the_limit(world: World) -> None:
    world.limits = Limits(max_active_jobs=3)
    for number in range(3):
        world.job(f"job{number}", source_table=f"shop.t{number}")
    with serving(world) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        error = refused(client)
        assert error["code"] == "INVALID_REQUEST"
        assert "limits.max_active_jobs is 3" in error["details"][0]
        world.job("job0", source_table="shop.t0", enabled=False)
        assert client.post("/jobs/create", json=WANTED).status_code == 201
