"""Callers of two other systems ask for runs in their own words, and are told of them in their own words."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from syncd.api.app import create_app
from syncd.api.dialects import integrate_io
from syncd.api.guard import Guard
from syncd.model.access import Scope
from syncd.model.run import Counts, Gate, RunStatus, Trigger
from syncd.state.run_lines import RunLine

from .conftest import START, World, serving

JSON = "application/vnd.xplenty+json; version=2"
API = "/my-account/api"
KEBOOLA: dict[str, Any] = {"mode": "run", "component": "syncd.table-to-kb", "config": "1"}
PACKAGE: dict[str, Any] = {"cluster_id": 167, "package_id": 1}
FILTERS = [{"column": "product", "op": "eq", "variable": "PRODUCT"}]
VARIED: dict[str, Any] = {"filters": FILTERS}


def basic(secret: str, password: str = "") -> dict[str, str]:
    """Return the headers of Integrate.io's callers."""
    return {"Authorization": "Basic " + base64.b64encode(f"{secret}:{password}".encode()).decode()}


@pytest.fixture
def io(client: httpx.Client) -> httpx.Client:
    """A client that accepts Integrate.io's media type."""
    client.headers["Accept"] = JSON
    return client


def refused(answer: httpx.Response, status: int) -> str:
    """Return the message of a refusal in Keboola's form, after looking at the form."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, status, "error"), answer.text
    assert body == {
        "error": body["error"],
        "code": status,
        "status": "error",
        "exceptionId": answer.headers["X-Request-Id"],
    }
    return str(body["error"])


def told(answer: httpx.Response, status: int) -> str:
    """Return the message of a refusal in Integrate.io's form, after looking at the form."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, JSON), answer.text
    assert answer.json().keys() == {"message"}
    return str(answer.json()["message"])


# Keboola


def test_a_configuration_is_run_by_number_name_or_tag(client: httpx.Client, world: World) -> None:
    """Each request is a job of its own, with all that Keboola's own client reads."""
    world.job("orders", tags={"keboola": "keboola.ex-db-snowflake/493493"})
    for component, config in [
        ("syncd.table-to-kb", "1"),
        ("syncd.table-to-kb", 1),
        ("syncd.table-to-kb", "orders"),
        ("keboola.ex-db-snowflake", "493493"),
    ]:
        answer = client.post("/jobs", json={"mode": "run", "component": component, "config": config})
        assert answer.status_code == 201, answer.text
        job = answer.json()
        assert (job["component"], job["config"]) == (component, str(config))
    assert world.told == ["wake"] * 4
    assert [run.number for run in world.state.runs.list()] == [4, 3, 2, 1]
    assert job == {
        "id": "4",
        "runId": "4",
        "parentRunId": "",
        "project": {"id": "syncd", "name": "syncd"},
        "token": {"id": "", "description": ""},
        "status": "created",
        "desiredStatus": "processing",
        "mode": "run",
        "component": "keboola.ex-db-snowflake",
        "config": "493493",
        "configData": {},
        "configRowIds": None,
        "tag": None,
        "createdTime": "2026-01-01T12:00:00Z",
        "startTime": None,
        "endTime": None,
        "durationSeconds": 0,
        "result": {
            "message": "",
            "configVersion": "1",
            **dict.fromkeys(("recordsRead", "embedded", "metadataUpdated", "unchanged", "deleted", "deadLettered"), 0),
        },
        "usageData": {},
        "isFinished": False,
        "isSuccess": None,
        "url": f"{client.base_url}/jobs/4",
        "branchId": None,
        "variableValuesId": None,
        "variableValuesData": {"values": []},
        "backend": {},
        "executor": None,
        "metrics": {},
        "behavior": {"onError": None},
        "parallelism": None,
        "type": "standard",
        "orchestrationJobId": None,
        "orchestrationTaskId": None,
        "onlyOrchestrationTaskIds": None,
        "previousJobId": None,
    }
    assert client.get("/jobs/4").json() == job


def test_what_cannot_be_found_is_said_in_the_words_of_the_documentation(client: httpx.Client, world: World) -> None:
    world.job("orders", tags={"keboola": "keboola.ex-db-snowflake/493493"})
    for component, config, message in [
        ("keboola.ex-db-mysql", "493493", "Component not found: 'keboola.ex-db-mysql'"),
        ("keboola.ex-db-snowflake", "1", "Configuration not found: '1'"),
        ("keboola.ex-db-snowflake", "", "Configuration not found: ''"),
        ("syncd.table-to-kb", "2", "Configuration not found: '2'"),
        ("syncd.table-to-kb", "9" * 400, "Configuration not found: '999"),
        ("syncd.table-to-kb", "order", "Configuration not found: 'order'"),
    ]:
        answer = client.post("/jobs", json={"mode": "run", "component": component, "config": config})
        assert refused(answer, 404).startswith(message)
    for number in ("1", "0", "-1", "x", "create", "run_1", "9" * 5000, "%00"):
        assert refused(client.get(f"/jobs/{number}"), 404).startswith("there is no job ")
        assert refused(client.post(f"/jobs/{number}/kill"), 404).startswith("there is no job ")
    assert world.state.runs.list() == []


def test_a_tag_of_two_jobs_runs_neither(io: httpx.Client, world: World) -> None:
    for name in ("orders", "others"):
        world.job(name, tags={"keboola": "a/1", "integrate_io": "103"})
    answer = io.post("/jobs", json={"mode": "run", "component": "a", "config": "1"})
    assert "several jobs: orders, others" in refused(answer, 400)
    assert "several jobs: orders, others" in told(io.post(f"{API}/jobs", json={**PACKAGE, "package_id": 103}), 422)
    assert world.state.runs.list() == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mode": "walk"}, "mode must be one of run, forceRun or debug"),
    ({"mode": None}, "mode must be one of run, forceRun or debug"),
    ({"component": ""}, "component must have at least 1 character"),
    ({"config": None}, "config"),
    ({"configData": {"parameters": {}}}, "configData"),
    ({"configRowIds": ["1"]}, "configRowIds"),
    ({"variableValuesId": "7"}, "variableValuesId"),
    ({"variableValuesData": {"values": [{"name": "OTHER", "value": "x"}]}}, "variables.OTHER"),
    ({"variableValuesData": {"values": [{"name": "PRODUCT", "value": float("nan")}]}}, "must be a finite number"),
]


def test_what_would_run_something_else_than_the_job_is_refused(client: httpx.Client, world: World) -> None:
    world.job(**VARIED)
    for change, message in REFUSED:
        body = json.dumps({**KEBOOLA, **change})
        answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
        assert message in refused(answer, 400)
        assert world.state.runs.list() == []


def test_what_keboolas_client_always_sends_is_accepted(client: httpx.Client, world: World) -> None:
    """Empty lists for what is not given; a tag and a branch are told again; the rest changes nothing."""
    world.job(**VARIED)
    sent: dict[str, Any] = {
        **KEBOOLA,
        "configData": [],
        "configRowIds": [],
        "tag": "1.2.3",
        "branchId": "6",
        "backend": {"type": "small"},
        "parallelism": None,
        "variableValuesData": {"values": [{"name": "PRODUCT", "value": "tea"}]},
    }
    job = client.post("/jobs", json=sent).json()
    assert (job["tag"], job["branchId"]) == ("1.2.3", "6")
    assert job["variableValuesData"] == sent["variableValuesData"]
    assert world.state.runs.get(1).options.variables == {"PRODUCT": "tea"}


def test_the_modes(client: httpx.Client, world: World) -> None:
    """Debug writes nothing; forceRun runs what is disabled, and a run of that is refused."""
    world.job("orders", enabled=False)
    assert "disabled" in refused(client.post("/jobs", json=KEBOOLA), 400)
    assert "disabled" in refused(client.post("/jobs", json={**KEBOOLA, "mode": "debug"}), 400)
    assert client.post("/jobs", json={**KEBOOLA, "mode": "forceRun"}).json()["mode"] == "forceRun"
    world.job("orders")
    assert client.post("/jobs", json={**KEBOOLA, "mode": "debug"}).json()["mode"] == "debug"
    forced, debugged = world.state.runs.get(1).options, world.state.runs.get(2).options
    assert (forced.force, forced.dry_run, debugged.force, debugged.dry_run) == (True, False, False, True)


WRITTEN = Counts(records_read=2, embedded=1)
ENDS = [
    (RunStatus.COMPLETED, Counts(), "success", True, "completed"),
    (RunStatus.COMPLETED_WITH_WARNINGS, Counts(), "warning", True, "completed"),
    (RunStatus.FAILED, Counts(), "error", False, "failed"),
    (RunStatus.TIMED_OUT, Counts(), "error", False, "failed"),
    (RunStatus.CRASHED, Counts(), "error", False, "failed"),
    (RunStatus.CANCELED, Counts(records_read=2, unchanged=2), "cancelled", False, "stopped"),
    (RunStatus.CANCELED, WRITTEN, "terminated", False, "stopped"),
    (RunStatus.EXPIRED, Counts(), "cancelled", False, "stopped"),
    (RunStatus.SKIPPED, Counts(), "cancelled", False, "stopped"),
]


def test_how_runs_that_ended_are_told(io: httpx.Client, world: World) -> None:
    """Also those that were asked for otherwise: both dialects show every run."""
    for status, counts, keboola, success, integrate in ENDS:
        error = None if success else "it did not work: postgresql://u:secret@db/x"
        world.now = START
        run = world.run(
            world.job(tags={"keboola": "a/7", "integrate_io": "103"}), status=status, counts=counts, error=error
        )
        job = io.get(f"/jobs/{run.number}").json()
        assert (job["status"], job["isFinished"], job["isSuccess"]) == (keboola, True, success)
        assert (job["component"], job["config"], job["mode"]) == ("a", "7", "run")
        assert (job["startTime"], job["endTime"]) == ("2026-01-01T12:00:00Z", "2026-01-01T12:00:02Z")
        assert job["durationSeconds"] == 2
        assert job["result"]["recordsRead"] == counts.records_read
        theirs = io.get(f"{API}/jobs/{run.number}").json()
        assert (theirs["status"], theirs["package_id"], theirs["cluster_id"]) == (integrate, 103, 0)
        assert (theirs["completed_at"], theirs["runtime_in_seconds"]) == ("2026-01-01T12:00:02Z", 2)
        assert theirs["failed_at"] == ("2026-01-01T12:00:02Z" if integrate == "failed" else None)
        assert theirs["outputs"][0]["records_count"] == counts.embedded
        if success:
            assert (job["result"]["message"], theirs["errors"]) == ("0 rows read, 0 embedded, 0 deleted.", "")
            assert theirs["progress"] == 1
        else:
            assert job["result"]["message"] == theirs["errors"]
            assert "it did not work" in theirs["errors"]
            assert "secret" not in theirs["errors"]


def test_how_runs_that_go_on_are_told(io: httpx.Client, world: World) -> None:
    """From asking to stopping, while what a killed debug run counted was never written."""

    def statuses() -> tuple[str, str, bool]:
        job = io.get("/jobs/1").json()
        return job["status"], io.get(f"{API}/jobs/1").json()["status"], job["isFinished"]

    world.job(execution_window={"start": "13:00", "end": "14:00"})
    io.post("/jobs", json={**KEBOOLA, "mode": "debug"})
    assert statuses() == ("created", "idle", False)
    assert io.get("/jobs/1").json()["result"]["message"].startswith("Waits until 2026-01-01T13:00:00Z")
    [run] = world.state.queue.pending()
    for status, expected in (
        (RunStatus.WAITING, ("waiting", "pending", False)),
        (RunStatus.QUEUED, ("created", "queued", False)),
    ):
        world.state.queue.set_gate(run, Gate(status), world.now)
        run = world.state.runs.get(1)
        assert statuses() == expected
    lease = world.begin(run)
    world.now += timedelta(seconds=5)
    assert statuses() == ("processing", "running", False)
    assert io.get("/jobs/1").json()["durationSeconds"] == 5
    killed = io.post("/jobs/1/kill")
    assert (killed.status_code, killed.json()["status"]) == (202, "terminating")
    assert killed.json()["desiredStatus"] == "terminating"
    assert statuses() == ("terminating", "stopping", False)
    stopped = io.delete(f"{API}/jobs/1")
    assert (stopped.status_code, stopped.json()["status"]) == (200, "pending_stoppage")
    world.state.runs.finish(
        lease, 1, RunStatus.CANCELED, counts=WRITTEN, stages={}, watermark=None, error="x", now=world.now
    )
    assert statuses() == ("cancelled", "stopped", True)
    assert "already canceled" in refused(io.post("/jobs/1/kill"), 400)
    assert "already canceled" in told(io.delete(f"{API}/jobs/1"), 422)


@pytest.fixture
def history(world: World) -> World:
    """Five runs of two jobs, a second apart: one of each end, and one that has not begun."""
    orders, items = world.job("orders", tags={"keboola": "a/7"}), world.job("items", source_table="shop.items")
    world.run(orders, seconds=10)
    world.run(items, status=RunStatus.FAILED, error="no", seconds=10)
    world.run(orders, status=RunStatus.CANCELED, counts=WRITTEN, seconds=10)
    world.run(items, status=RunStatus.CANCELED, seconds=10)
    world.enqueue(orders, Trigger.API)
    return world


SEARCHES = [
    ("", "54321"),
    ("limit=2", "54"),
    ("limit=2&offset=1", "43"),
    ("offset=5", ""),
    ("sortOrder=asc&limit=2&offset=1", "23"),
    ("status=cancelled", "4"),
    ("status=terminated&status=error", "32"),
    ("status[]=terminated&status[]=error", "32"),
    ("status%5B0%5D=terminated&status%5B1%5D=error", "32"),
    ("component=a", "531"),
    ("component=syncd.table-to-kb&config=2", "42"),
    ("config=7&status=success", "1"),
    ("mode=debug", ""),
    ("id=2&id=5&id=9", "52"),
    ("runId=3", "3"),
    ("createdTimeFrom=2026-01-01T12:00:10%2B00:00&createdTimeTo=2026-01-01T12:00:20Z", "32"),
    ("startTimeFrom=2026-01-01T12:00:20Z", "43"),
    ("endTimeTo=2026-01-01T12:00:20Z", "21"),
]


@pytest.mark.usefixtures("history")
def test_jobs_are_searched(client: httpx.Client) -> None:
    for query, ids in SEARCHES:
        answer = client.get(f"/search/jobs?{query}")
        assert answer.status_code == 200, answer.text
        assert "".join(job["id"] for job in answer.json()) == ids


BAD_SEARCHES = ["limit=0", "limit=501", "offset=-1", "status=done", "tokenId=1", "sortOrder=up"]


def test_a_search_that_is_not_understood_is_refused(client: httpx.Client) -> None:
    for query in BAD_SEARCHES:
        assert query.partition("=")[0] in refused(client.get(f"/search/jobs?{query}"), 400)


def test_keboolas_token(client: httpx.Client, world: World) -> None:
    """It goes as far as its scopes and limits do; what is beyond them does not exist."""
    world.job("orders")
    world.job("secret", tags={"keboola": "hidden/1", "integrate_io": "103"})
    world.enqueue(world.state.jobs.get("secret"))
    _, secret = world.state.tokens.create(
        "t", [Scope.JOBS_TRIGGER, Scope.RUNS_READ, Scope.RUNS_WRITE], world.now, jobs=["orders"]
    )
    for headers in ({}, {"X-StorageApi-Token": "wrong"}, {"Authorization": f"Bearer {secret}"}):
        answer = client.post("/jobs", json=KEBOOLA, headers=headers)
        assert refused(answer, 401) == "Invalid access token"
        assert answer.headers["WWW-Authenticate"] == 'ApiKey header="X-StorageApi-Token"'
    client.headers["X-StorageApi-Token"] = secret
    job = client.post("/jobs", json=KEBOOLA).json()
    assert (job["id"], job["token"]) == ("2", {"id": "t", "description": "t"})
    assert refused(client.post("/jobs", json={**KEBOOLA, "config": "2"}), 404).startswith("Configuration not found")
    hidden = {**KEBOOLA, "component": "hidden"}
    assert refused(client.post("/jobs", json=hidden), 404).startswith("Component not found")
    assert refused(client.get("/jobs/1"), 404) == "there is no job '1'"
    assert refused(client.post("/jobs/1/kill"), 404) == "there is no job '1'"
    assert [job["id"] for job in client.get("/search/jobs").json()] == ["2"]
    client.headers.update({**basic(secret), "Accept": JSON})
    assert "there is no package 103" in told(client.post(f"{API}/jobs", json={**PACKAGE, "package_id": 103}), 422)
    assert "there is no package 2" in told(client.post(f"{API}/jobs", json={**PACKAGE, "package_id": 2}), 422)
    assert told(client.get(f"{API}/jobs/1"), 404) == "Item not found."
    assert told(client.delete(f"{API}/jobs/1"), 404) == "Item not found."
    assert [job["id"] for job in client.get(f"{API}/jobs").json()] == [2]
    _, reader = world.state.tokens.create("r", [Scope.RUNS_READ], world.now)
    answer = client.post("/jobs", json=KEBOOLA, headers={"X-StorageApi-Token": reader})
    assert "jobs:trigger" in refused(answer, 403)


def test_native_routes_are_where_they_were(client: httpx.Client, world: World) -> None:
    """The dialects take no path that is syncd's own."""
    world.job("orders")
    assert client.post("/jobs/create", json={}).json()["error"]["code"] == "INVALID_REQUEST"
    assert client.get("/v1/jobs").json()["data"][0]["name"] == "orders"
    assert client.put("/jobs").status_code == 405
    for path in ("/x/api", "/x/api/nothing", "/api/jobs/1", "/x/y/api/jobs", "/jobs/1/kill/x"):
        assert client.get(path).json()["error"]["code"] == "NOT_FOUND", path


def test_a_deleted_job_and_foreign_metadata_do_no_harm(io: httpx.Client, world: World) -> None:
    """What a run carries under our names may be anything; then the job itself tells."""
    job = world.job("orders", default_run_metadata={"keboola": "{", "integrate_io": '{"package_id": "x"}'})
    asked = io.post("/v1/jobs/orders/trigger", json={}).json()
    assert asked["metadata"]["keboola"] == "{"
    for deleted in (False, True):
        if deleted:
            world.state.jobs.delete(job.id, world.now)
        assert io.get("/jobs/1").json()["config"] == "1"
        assert io.get("/search/jobs").json()[0]["config"] == "1"
        assert io.get(f"{API}/jobs").json()[0]["package_id"] == 1


# Integrate.io


def test_a_package_is_run_with_variables(io: httpx.Client, world: World) -> None:
    """Those of the job's filters are bound; all are told again as they were sent, also later."""
    world.job("orders", filters=[*FILTERS, {"column": "created_at", "op": "lt", "variable": "current_time"}])
    sent = {
        **PACKAGE,
        "variables": {"PRODUCT": "tea", "MY_STATIC_VAR": "some static variable", "n": 7},
        "dynamic_variables": {
            "current_time": "CurrentTime()",
            "MY_CURRENT_TIME": "$CURRENT_TIME_VAR",
            "same": "$PRODUCT",
        },
    }
    answer = io.post(f"{API}/jobs", json=sent)
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, JSON), answer.text
    job = answer.json()
    base = str(io.base_url)
    output = job.pop("outputs")
    assert job == {
        "id": 1,
        "status": "queued",
        "owner_id": 0,
        "progress": 0,
        "outputs_count": 1,
        "variables": sent["variables"],
        "dynamic_variables": sent["dynamic_variables"],
        "started_at": None,
        "created_at": "2026-01-01T12:00:00Z",
        "failed_at": None,
        "completed_at": None,
        "updated_at": "2026-01-01T12:00:00Z",
        "cluster_id": 167,
        "package_id": 1,
        "errors": "",
        "runtime_in_seconds": 0,
        "url": f"{base}{API}/jobs/1",
        "html_url": f"{base}{API}/jobs/1",
        "log_url": f"{base}{API}/jobs/1/log",
        "creator": {"type": "api", "display_name": ""},
        "package": {"id": 1, "name": "orders", "url": f"{base}/v1/jobs/job_1"},
        "cluster": {"id": 167, "name": "syncd", "url": f"{base}/"},
    }
    assert output[0]["component"] == {"name": "orders_kb", "type": "knowledge_base", "fields": ["product"]}
    later = io.get(f"{API}/jobs/1").json()
    assert later.pop("outputs") == output
    assert later == job
    assert world.told == ["wake"]
    assert world.state.runs.get(1).options.variables == {"PRODUCT": "tea", "current_time": "2026-01-01T12:00:00Z"}
    assert io.get(f"{API}/jobs/1/variables").json() == {
        "variables": {**sent["variables"], "current_time": "2026-01-01T12:00:00Z", "same": "tea"},
        "url": f"{base}{API}/jobs/1/variables",
    }


BAD_PACKAGES = [
    ("{", 400, "is not valid JSON"),
    ("[]", 400, "must be"),
    ("", 400, "body is required"),
    ("{}", 422, "cluster_id is required; package_id is required"),
    ('{"cluster_id": 1, "package_id": "1"}', 422, "package_id must be a whole number"),
    ('{"cluster_id": 1, "package_id": 2}', 422, "package_id: there is no package 2"),
    ('{"cluster_id": 1, "package_id": 99999999999999999999}', 422, "package_id"),
    ('{"cluster_id": 1, "package_id": 1, "variables": {"a": []}}', 422, "variables.a"),
    ('{"cluster_id": 1, "package_id": 1, "variables": {"a": NaN}}', 422, "variables.a"),
    ('{"cluster_id": 1, "package_id": 1, "dynamic_variables": {"a": "exec()"}}', 422, "is neither $NAME nor one"),
]


def test_bad_requests_for_packages(io: httpx.Client, world: World) -> None:
    world.job("orders")
    for body, status, message in BAD_PACKAGES:
        answer = io.post(f"{API}/jobs", content=body, headers={"Content-Type": "application/json"})
        assert message in told(answer, status)
        assert world.state.runs.list() == []


def test_without_the_media_type_there_is_nothing(client: httpx.Client, world: World) -> None:
    """As the documentation says: 404. Spellings of their own clients and pages are understood."""
    world.job("orders")
    for accept in ("*/*", "application/json", "application/vnd.xplenty+json", JSON.replace("2", "3")):
        message = told(client.post(f"{API}/jobs", json=PACKAGE, headers={"Accept": accept}), 404)
        assert message.endswith(f"send Accept: {JSON}")
    for accept in (JSON, JSON.replace(";", ","), JSON.replace(";", ""), f"text/html, {JSON}"):
        assert client.get(f"{API}/jobs", headers={"Accept": accept}).status_code == 200
    assert world.state.runs.list() == []


def test_the_key_is_the_user_and_the_password_is_empty(io: httpx.Client, world: World) -> None:
    world.job("orders")
    _, secret = world.state.tokens.create("t", [Scope.JOBS_TRIGGER], world.now)
    for headers in ({}, basic("x"), basic(secret, "x"), basic("", secret), {"Authorization": "Basic %%%"}):
        answer = io.post(f"{API}/jobs", json=PACKAGE, headers=headers)
        assert told(answer, 401) == "Invalid or missing credentials."
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="syncd"'
    job = io.post(f"{API}/jobs", json=PACKAGE, headers=basic(secret)).json()
    assert job["creator"] == {"type": "api", "display_name": "t"}
    assert "runs:read" in told(io.get(f"{API}/jobs", headers=basic(secret)), 403)


def test_a_disabled_package_is_not_run(io: httpx.Client, world: World) -> None:
    world.job("orders", enabled=False)
    assert "disabled" in told(io.post(f"{API}/jobs", json=PACKAGE), 422)


PAGES = [
    ("", [5, 4, 3, 2, 1], []),
    ("limit=2", [5, 4], [("next", 2, 2)]),
    ("limit=2&offset=1", [4, 3], [("next", 3, 2), ("prev", 0, 2)]),
    ("limit=2&offset=4", [1], [("prev", 2, 2)]),
    ("limit=1&status=stopped", [4], [("next", 1, 1)]),
    ("status=all&direction=asc&limit=2", [1, 2], [("next", 2, 2)]),
    ("sort=updated", [5, 4, 3, 2, 1], []),
    ("sort=updated&direction=asc", [1, 2, 3, 4, 5], []),
    ("since=2026-01-01T12:00:30Z", [5, 4, 3], []),
    ("status=pending_stoppage", [], []),
]


@pytest.mark.usefixtures("history")
def test_jobs_are_listed_in_pages(io: httpx.Client) -> None:
    for query, ids, links in PAGES:
        answer = io.get(f"{API}/jobs?{query}")
        assert [job["id"] for job in answer.json()] == ids
        assert {name: httpx.URL(link["url"]).params for name, link in answer.links.items()}.keys() == {
            name for name, _, _ in links
        }
        for name, offset, limit in links:
            url = httpx.URL(answer.links[name]["url"])
            assert (url.path, url.params["offset"], url.params["limit"]) == (f"{API}/jobs", str(offset), str(limit))
            assert url.params.get("status") == httpx.URL(f"?{query}").params.get("status")
            assert io.get(str(url)).status_code == 200


BAD_PAGES = ["limit=0", "limit=101", "offset=-1", "status=done", "page=1", "since=x"]


def test_a_list_that_is_not_understood_is_refused(io: httpx.Client) -> None:
    for query in BAD_PAGES:
        assert query.partition("=")[0] in told(io.get(f"{API}/jobs?{query}"), 400)


def test_jobs_are_schedules_too(io: httpx.Client, world: World) -> None:
    world.job("orders", interval="90 MINUTES", description="a job", tags={"integrate_io": "103"})
    world.job("items", interval="14 DAYS", enabled=False)
    world.run(world.state.jobs.get("orders"))
    orders, items = sorted(io.get(f"{API}/schedules").json(), key=lambda schedule: schedule["id"])
    assert orders == {
        "id": 1,
        "name": "orders",
        "description": "a job",
        "owner_id": 0,
        "status": "enabled",
        "start_at": None,
        "next_run_at": "2026-01-01T13:30:00Z",
        "interval_amount": 90,
        "interval_unit": "minutes",
        "task": {"packages": [{"package_id": 103, "variables": {}}]},
        "last_run_at": "2026-01-01T12:00:00Z",
        "last_run_status": "completed",
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
        "url": f"{io.base_url}/v1/jobs/job_1",
    }
    assert (items["interval_amount"], items["interval_unit"], items["status"]) == (2, "weeks", "disabled")
    assert (items["next_run_at"], items["last_run_at"], items["last_run_status"]) == (None, None, None)
    answer = io.get(f"{API}/schedules?status=enabled&limit=1")
    assert ([schedule["name"] for schedule in answer.json()], answer.links) == (["orders"], {})
    assert list(io.get(f"{API}/schedules?limit=1").links) == ["next"]


def test_the_log_of_a_job(io: httpx.Client, world: World) -> None:
    world.run(world.job("orders"))
    lines = [RunLine(n, START, "INFO", f"line {n} postgresql://u:secret@db/x") for n in (1, 2)]
    world.state.run_lines.append(1, lines)
    log = io.get(f"{API}/jobs/1/log").json()
    assert log["url"] == f"{io.base_url}{API}/jobs/1/log"
    assert [line.split(" postgres")[0] for line in log["body"].splitlines()] == [
        "2026-01-01T12:00:00.000Z INFO line 1",
        "2026-01-01T12:00:00.000Z INFO line 2",
    ]
    assert "secret" not in log["body"]


@pytest.fixture
def limited(world: World) -> Iterator[httpx.Client]:
    """A client of a server that lets each token ask three times an hour."""
    app = FastAPI()
    app.state.services = world.services()
    app.include_router(integrate_io.router(app.state.services, requests_per_hour=3))
    app.add_middleware(Guard, hosts=None)
    with (
        serving(world, app) as server,
        httpx.Client(base_url=server.url, trust_env=False, headers={"Accept": JSON}) as client,
    ):
        yield client


def test_requests_are_counted_by_token_and_hour(limited: httpx.Client, world: World) -> None:
    """Refused ones too, those without a valid token aside; the one that asks what is left is free."""
    secrets = [world.state.tokens.create(name, [Scope.RUNS_READ], world.now)[1] for name in ("a", "b")]

    def ask(path: str, which: int = 0) -> tuple[int, str | None]:
        answer = limited.get(f"{API}/{path}", headers=basic(secrets[which]))
        assert answer.headers["X-RateLimit-Limit"] == "3"
        return answer.status_code, answer.headers["X-RateLimit-Remaining"]

    assert limited.get(f"{API}/jobs", headers=basic("x")).status_code == 401
    assert ask("rate_limit_status") == (200, "3")
    assert ask("jobs") == (200, "2")
    world.now += timedelta(minutes=59)
    assert ask("jobs/1") == (404, "1")
    assert ask("jobs?limit=0") == (400, "0")
    answer = limited.get(f"{API}/jobs", headers=basic(secrets[0]))
    assert told(answer, 429) == "Rate Limit Exceeded"
    assert (answer.headers["Retry-After"], answer.headers["X-RateLimit-Remaining"]) == ("60", "0")
    status = limited.get(f"{API}/rate_limit_status", headers=basic(secrets[0]))
    assert status.json() == {"limits": {"limit": 3, "remaining": 0}}
    assert ask("jobs", 1) == (200, "2")
    world.now += timedelta(seconds=59)
    assert ask("jobs")[0] == 429
    world.now += timedelta(seconds=1)
    assert ask("jobs") == (200, "2")
    world.now -= timedelta(days=1)
    assert ask("jobs") == (200, "2")


def test_five_thousand_requests_an_hour_are_the_rule(io: httpx.Client) -> None:
    assert io.get(f"{API}/rate_limit_status").json() == {"limits": {"limit": 5000, "remaining": 5000}}
    assert io.get(f"{API}/jobs").headers["X-RateLimit-Remaining"] == "4999"


OWN = {"200", "201", "400", "401", "402", "403", "404", "422", "429"}
"""The answers in the dialect's words; whatever stands before its routes answers in syncd's."""


def test_the_dialects_are_described(world: World) -> None:
    """With their own schemes, media type and errors."""
    described = create_app(world.services(), None).openapi()
    schemes = described["components"]["securitySchemes"]
    assert (schemes["keboola"]["type"], schemes["keboola"]["name"]) == ("apiKey", "X-StorageApi-Token")
    assert (schemes["integrate_io"]["type"], schemes["integrate_io"]["scheme"]) == ("http", "basic")
    create = described["paths"]["/jobs"]["post"]
    assert create["responses"]["201"]["content"].keys() == {"application/json"}
    assert {"400", "401", "403", "404", "4XX", "5XX"} <= create["responses"].keys()
    assert "isFinished" in described["components"]["schemas"]["KeboolaJob"]["properties"]
    for path, methods in described["paths"].items():
        if path.startswith("/{account_id}"):
            for operation in methods.values():
                assert {"400", "401", "403", "404", "422", "429"} <= operation["responses"].keys()
                for status in OWN & operation["responses"].keys():
                    assert operation["responses"][status]["content"].keys() == {JSON}
    assert not [name for name in described["components"]["schemas"] if "syncd__" in name]
