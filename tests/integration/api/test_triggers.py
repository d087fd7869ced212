"""Runs on demand: once for each key, together or not at all, later, narrowed, expired, canceled, watched."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from syncd.admission import Admission
from syncd.model.job import Job
from syncd.model.run import Counts, RunStatus, Trigger
from syncd.state import RunLine
from tests.integration.api.conftest import World

TRIGGER = "/v1/jobs/orders/trigger"


@pytest.fixture
def job(world: World) -> Job:
    region = {"column": "region", "op": "eq", "variable": "region"}
    return world.job("orders", filters=[region], default_run_metadata={"team": "shop"})


def trigger(client: httpx.Client, status: int = 201, **body: Any) -> dict[str, Any]:
    answer = client.post(TRIGGER, json=body)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_trigger_without_a_body_asks_for_a_plain_run(client: httpx.Client, world: World, job: Job) -> None:
    answer = client.post(TRIGGER)
    assert answer.status_code == 201
    run = answer.json()
    assert (run["id"], run["status"], run["trigger"], run["metadata"]) == ("run_1", "queued", "api", {"team": "shop"})
    assert world.told == ["wake"]


def test_plain_requests_share_one_run_and_others_have_their_own(client: httpx.Client, world: World) -> None:
    world.job("orders")
    first = trigger(client)
    assert trigger(client, full_refresh=True)["id"] == first["id"]
    tagged = trigger(client, tags={"why": "audit"})
    assert (tagged["id"], tagged["tags"]) == ("run_2", {"why": "audit"})
    assert client.get("/v1/runs/run_1").json()["full_refresh"] is True
    assert [run["id"] for run in client.get("/v1/runs?tag=why=audit").json()["data"]] == ["run_2"]
    assert client.get("/v1/runs?tag=why=other").json()["data"] == []
    assert client.get("/v1/runs?tag=why").status_code == 422


def test_fifty_triggers_at_once_are_one_run(client: httpx.Client, world: World) -> None:
    world.job("orders")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.post(TRIGGER), range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["id"] for answer in answers} == {"run_1"}


def test_a_key_asks_once_within_a_day(client: httpx.Client, world: World, job: Job) -> None:
    first = trigger(client, idempotency_key="k1", tags={"n": "1"})
    again = client.post(TRIGGER, json={"tags": {"n": "1"}}, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()["id"], again.json()["idempotency_hit"]) == (200, first["id"], True)
    other = client.post(TRIGGER, json={"tags": {"n": "2"}, "idempotency_key": "k1"})
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    both = client.post(TRIGGER, json={"idempotency_key": "k1"}, headers={"Idempotency-Key": "k2"})
    assert both.status_code == 422
    world.now += timedelta(hours=24, seconds=1)
    assert trigger(client, idempotency_key="k1", tags={"n": "2"})["id"] != first["id"]


def test_a_key_asks_once_even_fifty_times_at_once(client: httpx.Client, job: Job) -> None:
    body = {"idempotency_key": "k", "tags": {"a": "b"}}
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.post(TRIGGER, json=body), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert {answer.json()["id"] for answer in answers} == {"run_1"}


def test_an_equal_request_is_the_same_within_its_window(client: httpx.Client, world: World, job: Job) -> None:
    body: dict[str, Any] = {"variables": {"region": "EU"}, "dedup_window_secs": 60}
    first = trigger(client, **body)
    world.now += timedelta(seconds=59)
    assert trigger(client, 200, **body)["id"] == first["id"]
    assert trigger(client, variables={"region": "US"}, dedup_window_secs=60)["id"] != first["id"]
    client.post(f"/v1/runs/{first['id']}/cancel")
    assert trigger(client, **body)["id"] != first["id"]


def test_a_variable_that_no_filter_names_is_refused(client: httpx.Client, job: Job) -> None:
    answer = client.post(TRIGGER, json={"variables": {"regoin": "EU"}})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"] == [
        {"field": "variables.regoin", "message": "is no variable of the job: the job's filters know region"}
    ]


def test_dynamic_variables_come_from_a_list_and_are_never_run(client: httpx.Client, job: Job) -> None:
    assert trigger(client, dynamic_variables={"region": "CurrentDate()"})["variables"] == {"region": "2026-01-01"}
    told = trigger(client, variables={"region": "EU"}, dynamic_variables={"region": "$region"})
    assert told["variables"] == {"region": "EU"}
    for expression in ("__import__('os')", "{x.__class__}", "$nothing", "currenttime"):
        answer = client.post(TRIGGER, json={"dynamic_variables": {"region": expression}})
        assert answer.status_code == 422
        assert answer.json()["error"]["details"][0]["field"] == "dynamic_variables.region"


def test_bulk_is_all_or_nothing(client: httpx.Client, job: Job) -> None:
    items = [{"variables": {"region": region}} for region in ("EU", "US", "EU")]
    done = client.post(f"{TRIGGER}/bulk", json={"items": [*items, {}, {}]}).json()
    assert (done["total"], done["created"]) == (5, 4)
    assert len({result["id"] for result in done["results"]}) == 4
    bad = client.post(f"{TRIGGER}/bulk", json={"items": [*items, {"variables": {"colour": "red"}}]})
    assert bad.status_code == 422
    assert len(client.get("/v1/runs").json()["data"]) == 4
    assert client.post(f"{TRIGGER}/bulk", json={"items": [{}] * 501}).status_code == 422


def test_a_run_waits_for_its_time_and_may_expire(client: httpx.Client, world: World) -> None:
    world.job("orders")
    run = trigger(client, scheduled_at="2026-01-01T14:00:00", run_ttl_secs=60)
    assert (run["status"], run["reason"]) == ("delayed", "until 2026-01-01T14:00:00Z")
    assert run["expires_at"] == "2026-01-01T14:01:00Z"
    admission = Admission(world.state, world.clock)
    world.now += timedelta(hours=2)
    assert admission.review() == []
    assert client.get("/v1/runs/run_1").json()["status"] == "queued"
    world.now += timedelta(seconds=60)
    assert [run.id for run in admission.review()] == ["run_1"]
    told = client.get("/v1/runs/run_1").json()
    assert (told["status"], told["error"]) == ("expired", "it did not begin before it expired")


def test_a_run_waits_for_the_execution_window(client: httpx.Client, world: World) -> None:
    world.job("orders", execution_window={"start": "22:00", "end": "06:00"}, timezone="Europe/Berlin")
    run = trigger(client)
    assert (run["status"], run["reason"]) == ("delayed", "until 2026-01-01T21:00:00Z, when the execution window opens")
    world.now += timedelta(hours=9)
    Admission(world.state, world.clock).review()
    assert client.get("/v1/runs/run_1").json()["status"] == "queued"


def test_a_run_waits_for_the_jobs_it_depends_on(client: httpx.Client, world: World) -> None:
    load = world.job("load", source_table="shop.items")
    job = world.job("orders", depends_on=[{"job": "load", "condition": "completed"}])
    admission = Admission(world.state, world.clock)
    assert (trigger(client)["status"], trigger(client)["reason"]) == ("waiting", "for a run of load")
    world.run(load, status=RunStatus.FAILED)
    admission.review()
    assert client.get("/v1/runs/run_1").json()["status"] == "waiting"
    world.run(load, status=RunStatus.COMPLETED)
    admission.review()
    assert client.get("/v1/runs/run_1").json()["status"] == "queued"
    world.now += timedelta(minutes=1)
    world.run(job, status=RunStatus.COMPLETED)
    world.now += timedelta(minutes=1)
    # That run of `load` has been used up.
    assert trigger(client)["status"] == "waiting"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_run_is_canceled(client: httpx.Client, world: World, method: str) -> None:
    world.job("orders")
    run = trigger(client)["id"]
    path = f"/v1/runs/{run}/cancel" if method == "POST" else f"/v1/runs/{run}"
    assert client.request(method, path).json()["status"] == "canceled"
    assert client.request(method, path).status_code == 409


def test_runs_are_found_by_their_time(client: httpx.Client, world: World) -> None:
    job = world.job("orders")
    for _ in range(3):
        world.run(job, status=RunStatus.COMPLETED)
        world.now += timedelta(hours=1)

    def ids(**query: str) -> list[str]:
        return [run["id"] for run in client.get("/v1/runs", params=query).json()["data"]]

    middle = client.get("/v1/runs/run_2").json()["created_at"]
    assert ids(since=middle) == ["run_3", "run_2"]
    assert ids(until=middle) == ["run_1"]
    assert ids(since=middle, until=middle) == []


def test_outputs_and_the_log_of_a_run(client: httpx.Client, world: World) -> None:
    world.run(world.job("orders"), status=RunStatus.COMPLETED, counts=Counts(records_read=7, embedded=2))
    [output] = client.get("/v1/runs/run_1/outputs").json()["data"]
    assert (output["kb_name"], output["records_read"], output["embedded"]) == ("orders_kb", 7, 2)
    lines = [RunLine(n, world.now, "info", f"line {n} at postgresql://me:hidden@db/x") for n in range(1, 8)]
    world.state.run_lines.append(1, lines)
    first = client.get("/v1/runs/run_1/log?limit=5").json()
    assert [line["line"] for line in first["data"]] == [1, 2, 3, 4, 5]
    assert "hidden" not in json.dumps(first)
    rest = client.get("/v1/runs/run_1/log", params={"cursor": first["next_cursor"]}).json()
    assert ([line["line"] for line in rest["data"]], rest["has_more"]) == ([6, 7], False)


def test_a_run_is_watched_until_it_ends(client: httpx.Client, world: World) -> None:
    job = world.job("orders")
    lease = world.begin(world.enqueue(job, Trigger.MANUAL))
    events: list[tuple[str, dict[str, Any]]] = []
    with client.stream("GET", "/v1/runs/run_1/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
                if len(events) == 1:
                    world.state.runs.finish(
                        lease,
                        1,
                        RunStatus.COMPLETED,
                        counts=Counts(records_read=5),
                        stages={},
                        watermark=None,
                        error=None,
                        now=world.now,
                    )
    assert [name for name, _ in events] == ["run", "run", "end"]
    assert [told["status"] for _, told in events] == ["running", "completed", "completed"]
    assert events[1][1]["records_read"] == 5
