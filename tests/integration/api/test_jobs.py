"""GET /v1/jobs tells what is kept in step, and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from syncd.model.job import JobDefinition
from syncd.model.record import Reject
from syncd.model.run import Counts, RunStatus
from syncd.model.watermark import Watermark
from syncd.state.database import Database

from .conftest import START, World


def test_a_job_is_told_whole(client: httpx.Client, world: World) -> None:
    job = world.job(start_time="2026-01-01T00:00:00", end_time="2026-01-31T00:00:00+01:00")
    counts = Counts(records_read=10, embedded=4, unchanged=5, dead_lettered=1, chunks=9)
    world.run(
        job,
        status=RunStatus.COMPLETED_WITH_WARNINGS,
        counts=counts,
        watermark=Watermark(datetime(2026, 1, 1, 11, 59, 59, 123456, tzinfo=UTC)),
        rejects=(Reject("7", "the text is not valid"),),
    )
    answer = client.get("/v1/jobs/orders")
    assert answer.status_code == 200
    told = answer.json()
    # The definition, field by field, with what it left out.
    assert {name: told.pop(name) for name in JobDefinition.model_fields} == job.definition.model_dump(mode="json")
    assert told == {
        "id": f"job_{job.id}",
        "name": "orders",
        "slug": "orders",
        "status": "scheduled",
        "origin": "file",
        "defined_in": "a configuration file",
        "version": 1,
        "version_id": f"job_{job.id}.1",
        "timeout_secs": 86400,
        "paused": False,
        "next_run": "2026-01-01T12:10:00Z",
        "last_run": {
            "id": "run_1",
            "status": "completed_with_warnings",
            "trigger": "manual",
            "started_at": "2026-01-01T12:00:00Z",
            "finished_at": "2026-01-01T12:00:02Z",
            "seconds": 2.0,
            **counts.as_dict(),
        },
        "watermark": "2026-01-01T11:59:59.123456+00:00",
        "blocked_reason": None,
        "dead_letters": 1,
        "created_by": None,
        "updated_by": None,
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
    }
    assert answer.json()["end_time"] == "2026-01-30T23:00:00Z"
    assert client.get(f"/v1/jobs/job_{job.id}").json() == answer.json()
    assert client.get("/v1/jobs").json() == {"data": [answer.json()], "next_cursor": None, "has_more": False}


def test_every_status_is_told_and_can_be_asked_for(client: httpx.Client, world: World) -> None:
    state, now = world.state, world.now
    world.job("plain")
    world.job("off", enabled=False)
    state.jobs.pause(world.job("waiting").id, now)
    state.jobs.block(world.job("stuck").id, "the table is gone", now)
    state.jobs.end(world.job("left").id, now)
    world.job("expired", end_time="2025-12-31T00:00:00")
    world.begin(world.enqueue(world.job("busy")))
    stopping = world.enqueue(world.job("stopping"))
    world.begin(stopping)
    state.runs.request_cancel(stopping.number, now)
    world.enqueue(world.job("queued"))

    expected = {
        "plain": "scheduled",
        "off": "disabled",
        "waiting": "paused",
        "stuck": "blocked",
        "left": "ended",
        "expired": "ended",
        "busy": "running",
        "stopping": "running",
        "queued": "scheduled",
    }
    told = {job["name"]: job for job in client.get("/v1/jobs").json()["data"]}
    assert {name: job["status"] for name, job in told.items()} == expected
    assert {name: client.get(f"/v1/jobs/{name}").json()["status"] for name in expected} == expected
    assert told["stuck"]["blocked_reason"] == "the table is gone"
    assert [name for name, job in told.items() if job["next_run"] is None] == ["off", "waiting", "left", "expired"]
    for status in set(expected.values()):
        found = client.get("/v1/jobs", params={"status": status}).json()["data"]
        assert [job["name"] for job in found] == [name for name, is_ in expected.items() if is_ == status]


def test_a_job_is_found_by_its_name_alone(client: httpx.Client, world: World) -> None:
    for name in ("orders", "orders_2"):
        world.job(name)
    assert [job["name"] for job in client.get("/v1/jobs?name=orders").json()["data"]] == ["orders"]
    assert client.get("/v1/jobs?name=order").json()["data"] == []


def test_an_id_wins_over_a_name_that_looks_like_one(client: httpx.Client, world: World) -> None:
    first = world.job("orders")
    hijacker = world.job(f"job_{first.id}")
    unique = world.job("job_999")
    assert client.get(f"/v1/jobs/job_{first.id}").json()["name"] == "orders"
    assert client.get(f"/v1/jobs/job_{hijacker.id}").json()["name"] == hijacker.name
    assert client.get("/v1/jobs/job_999").json()["id"] == f"job_{unique.id}"


def test_a_job_that_is_not_there_is_a_404_with_names_that_are_close(client: httpx.Client, world: World) -> None:
    world.job("orders")
    answer = client.get("/v1/jobs/ordrs")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"
    assert "did you mean orders?" in answer.json()["error"]["message"]


def test_no_name_however_odd_is_more_than_a_404(client: httpx.Client) -> None:
    for name in (
        "job_0",
        "job_-1",
        "job_99999999999999999999",
        "a%00b",
        "%F0%9F%92%A5",
        "x" * 5000,
        "%ED%A0%80",
        "'--",
    ):
        answer = client.get(f"/v1/jobs/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), name


def test_jobs_are_paged_without_gap_or_repetition_while_jobs_are_added(client: httpx.Client, world: World) -> None:
    names = [f"job-{number:03}" for number in range(120, 0, -1)]
    for name in names:
        world.job(name)
    pages: list[list[str]] = []
    url = "/v1/jobs?limit=50&status=scheduled"
    while url:
        answer = client.get(url)
        body = answer.json()
        pages.append([job["name"] for job in body["data"]])
        url = answer.links.get("next", {}).get("url", "")
        assert body["has_more"] == (body["next_cursor"] is not None) == bool(url)
        world.job(f"late-{len(pages)}")
    assert [len(page) for page in pages] == [50, 50, 22]
    assert [name for page in pages for name in page] == [*names, "late-1", "late-2"]


def test_times_keep_their_meaning_when_the_clock_moves_on(client: httpx.Client, world: World) -> None:
    world.job(start_time="2026-01-01T12:00:30")
    assert client.get("/v1/jobs/orders").json()["next_run"] == "2026-01-01T12:00:30Z"
    world.now = START + timedelta(seconds=30)
    assert client.get("/v1/jobs/orders").json()["next_run"] == "2026-01-01T12:10:30Z"


def test_a_list_of_many_jobs_asks_the_state_as_often_as_one_of_few(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Database.read
    asked: list[object] = []

    def counting(self: Database, work: Callable[[Any], Any]) -> Any:
        asked.append(work)
        return read(self, work)

    monkeypatch.setattr(Database, "read", counting)
    counts = []
    for number in range(1, 31):
        job = world.job(f"job{number}", source_table=f"shop.t{number}")
        world.run(job)
        world.run(job, status=RunStatus.FAILED)
        if number in {2, 30}:
            asked.clear()
            jobs = client.get("/v1/jobs?limit=100").json()["data"]
            counts.append(len(asked))
            assert [job["last_run"]["status"] for job in jobs] == ["failed"] * number
    assert counts[0] == counts[1]
