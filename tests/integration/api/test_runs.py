"""GET /v1/runs tells what waits, what goes on and what has been."""

from __future__ import annotations

from datetime import timedelta

import httpx

from syncd.model.run import Counts, RunStatus, Trigger
from syncd.model.watermark import Watermark

from .conftest import World


def test_a_run_that_has_ended_is_told_whole(client: httpx.Client, world: World) -> None:
    job = world.job()
    counts = Counts(records_read=3, embedded=2, deleted=1, chunks=5, truncated_tokens=8)
    world.run(
        job,
        status=RunStatus.FAILED,
        counts=counts,
        stages={"read": 0.25, "embed": 1.5},
        watermark=Watermark(41),
        error="the source broke off",
    )
    answer = client.get("/v1/runs/run_1")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": "run_1",
        "job_id": f"job_{job.id}",
        "job_name": "orders",
        "job_version": 1,
        "job_version_id": f"job_{job.id}.1",
        "status": "failed",
        "reason": None,
        "trigger": "manual",
        "triggered_by": "manual",
        "created_by": None,
        "attempt": 0,
        "next_retry_at": None,
        "created_at": "2026-01-01T12:00:00Z",
        "scheduled_at": "2026-01-01T12:00:00Z",
        "started_at": "2026-01-01T12:00:00Z",
        "finished_at": "2026-01-01T12:00:02Z",
        "heartbeat_at": None,
        "expires_at": None,
        "seconds": 2.0,
        "progress": None,
        "stages": {"read": 0.25, "embed": 1.5},
        "execution_trace": {"queue_wait_ms": 0, "total_ms": 2000},
        "full_refresh": False,
        "limit": None,
        "dry_run": False,
        "repair": False,
        "sweep": False,
        "replay": False,
        "variables": {},
        "tags": {},
        "metadata": {},
        "watermark": "41",
        "error": "the source broke off",
        **counts.as_dict(),
    }
    assert client.get("/v1/runs").json()["data"] == [answer.json()]


def test_a_run_that_goes_on_shows_how_far_it_is(client: httpx.Client, world: World) -> None:
    run = world.enqueue(world.job())
    assert client.get("/v1/runs/run_1").json()["status"] == "queued"
    lease = world.begin(run)
    world.state.runs.progress(
        lease,
        run.number,
        counts=Counts(records_read=50),
        stages={"read": 0.5},
        progress=0.25,
        attempt=2,
        now=world.now,
    )
    told = client.get("/v1/runs/run_1").json()
    seen = {name: told[name] for name in ("status", "progress", "attempt", "records_read", "finished_at", "seconds")}
    assert seen == {
        "status": "running",
        "progress": 0.25,
        "attempt": 2,
        "records_read": 50,
        "finished_at": None,
        "seconds": None,
    }


def test_runs_are_filtered_by_job_status_and_trigger(client: httpx.Client, world: World) -> None:
    orders, people = world.job("orders"), world.job("people")
    world.run(orders)
    world.run(people, status=RunStatus.FAILED, trigger=Trigger.SCHEDULE)
    world.run(orders, status=RunStatus.FAILED)

    def ids(**params: str) -> list[str]:
        return [run["id"] for run in client.get("/v1/runs", params=params).json()["data"]]

    assert ids() == ["run_3", "run_2", "run_1"]
    assert ids(job="orders") == ids(job=f"job_{orders.id}") == ["run_3", "run_1"]
    assert ids(status="failed") == ["run_3", "run_2"]
    assert ids(trigger="schedule") == ["run_2"]
    assert ids(job="orders", status="failed", trigger="manual") == ["run_3"]
    assert client.get("/v1/runs?job=nobody").status_code == 404


def test_runs_are_paged_newest_first_through_the_link_header(client: httpx.Client, world: World) -> None:
    job = world.job()
    for _ in range(7):
        world.run(job)
        world.now += timedelta(minutes=1)
    seen: list[str] = []
    url = "/v1/runs?limit=3&job=orders"
    while url:
        answer = client.get(url)
        seen += [run["id"] for run in answer.json()["data"]]
        # A run that is added while someone turns the pages does not shift them.
        world.run(job)
        url = answer.links.get("next", {}).get("url", "")
        assert "job=orders" in url or not url
    assert seen == [f"run_{number}" for number in range(7, 0, -1)]


def test_the_cursor_in_the_body_and_in_the_header_are_one(client: httpx.Client, world: World) -> None:
    job = world.job()
    for _ in range(2):
        world.run(job)
    answer = client.get("/v1/runs?limit=1")
    cursor = answer.json()["next_cursor"]
    assert answer.headers["Link"] == f'</v1/runs?limit=1&cursor={cursor}>; rel="next"'
    rest = client.get("/v1/runs", params={"limit": 1, "cursor": cursor})
    assert [run["id"] for run in rest.json()["data"]] == ["run_1"]
    assert "Link" not in rest.headers


def test_a_run_that_is_not_there_is_a_404(client: httpx.Client) -> None:
    for name in ("run_1", "run_0", "1", "run_", "run_99999999999999999999", "run_1%00"):
        answer = client.get(f"/v1/runs/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), name
