"""Jobs through the API: made, changed, paused, cloned, deleted, each change a version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from syncd.model.run import Counts, RunStatus
from syncd.model.watermark import Watermark
from tests.integration.api.conftest import World

NEW: dict[str, Any] = {
    "name": "orders",
    "source_table": "shop.orders",
    "kb_name": "orders_kb",
    "content_columns": ["product"],
    "filter_column": "created_at",
    "interval": "1 hour",
    "tags": {"team": "shop"},
}


def create(client: httpx.Client, **change: Any) -> dict[str, Any]:
    """Add a job, and return it as it is told."""
    answer = client.post("/v1/jobs", json=NEW | change)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def faults(answer: httpx.Response) -> dict[str, str]:
    """Return what is wrong, by field."""
    assert answer.status_code == 422, answer.text
    return {detail["field"]: detail["message"] for detail in answer.json()["error"]["details"]}


def test_a_job_is_made_with_what_it_leaves_out(client: httpx.Client, world: World) -> None:
    answer = client.post("/v1/jobs", json=NEW)
    assert answer.headers["Location"] == "/v1/jobs/job_1"
    assert answer.headers["ETag"] == '"1"'
    told = answer.json()
    assert (told["interval"], told["max_attempts"], told["retry_strategy"]) == ("1 HOUR", 3, "exponential")
    assert client.get("/v1/jobs/job_1").json() == client.get("/v1/jobs/orders").json() == told
    assert world.told == ["changed"]


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"name": "a b"}, "name", "match"),
        ({"kb_name": "nothing"}, "kb_name", "no such knowledge base"),
        ({"content_columns": ["prodct"]}, "content_columns", "no column"),
        ({"depends_on": [{"job": "ghost"}]}, "depends_on", "does not exist: ghost"),
        ({"execution_window": {"start": "22:00", "end": "22:00"}}, "execution_window", "never opens"),
        ({"execution_window": {"start": "24:00", "end": "22:00"}}, "execution_window.start", "match"),
        ({"retry_strategy": "custom"}, "retry_delays_secs", "belongs to retry_strategy custom"),
        ({"retry_strategy": "never"}, "retry_strategy", "must be one of exponential, linear, fixed or custom"),
        ({"timezone": "Mars/Base"}, "timezone", "is not a time zone"),
        ({"filters": [{"column": "x", "op": "eq", "value": 1, "variable": "v"}]}, "filters.0", "either"),
        ({"run_ttl_secs": 0}, "run_ttl_secs", "at least 1"),
        ({"interval": "30 SECONDS"}, "interval", "is not an interval"),
    ],
)
def test_what_is_wrong_is_told_by_its_field(
    client: httpx.Client, change: dict[str, Any], field: str, told: str
) -> None:
    found = faults(client.post("/v1/jobs", json=NEW | change))
    assert any(name is not None and name.startswith(field) and told in message for name, message in found.items()), (
        found
    )


def test_two_jobs_do_not_fill_one_knowledge_base_from_one_table(client: httpx.Client) -> None:
    create(client)
    assert "already" in faults(client.post("/v1/jobs", json=NEW | {"name": "again"}))["source_table"]


def test_a_change_is_a_version_and_each_can_be_read(client: httpx.Client) -> None:
    create(client)
    changed = client.patch("/v1/jobs/orders", json={"interval": "2 HOURS", "description": "all orders"})
    assert (changed.status_code, changed.json()["version"], changed.headers["ETag"]) == (200, 2, '"2"')
    same = client.patch("/v1/jobs/orders", json={"interval": "2 HOURS"})
    assert same.json()["version"] == 2
    back = client.patch("/v1/jobs/orders", json={"description": None})
    assert (back.json()["version"], back.json()["description"]) == (3, "")
    versions = client.get("/v1/jobs/orders/versions?limit=2").json()
    assert [entry["version"] for entry in versions["data"]] == [3, 2]
    rest = client.get("/v1/jobs/orders/versions", params={"cursor": versions["next_cursor"]}).json()
    assert [(entry["version"], entry["interval"]) for entry in rest["data"]] == [(1, "1 HOUR")]
    assert client.get("/v1/jobs/orders/versions/job_1.2").json()["description"] == "all orders"
    assert client.get("/v1/jobs/orders/versions/2").json()["id"] == "job_1.2"
    assert client.get("/v1/jobs/orders/versions/9").status_code == 404


def test_a_required_field_cannot_be_taken_away(client: httpx.Client) -> None:
    create(client)
    assert "interval" in faults(client.patch("/v1/jobs/orders", json={"interval": None}))
    assert faults(client.patch("/v1/jobs/orders", json={"name": "other"})) == {"name": "is not known here"}


def test_of_changes_made_for_one_version_one_wins(client: httpx.Client) -> None:
    create(client)

    def change(number: int) -> int:
        headers = {"If-Match": '"1"'}
        return client.patch("/v1/jobs/orders", json={"description": f"{number}"}, headers=headers).status_code

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(change, range(10))) == [200] + [409] * 9
    assert client.get("/v1/jobs/orders").json()["version"] == 2


def test_a_job_of_a_file_is_changed_there(client: httpx.Client, world: World) -> None:
    world.job("orders")
    for answer in (
        client.patch("/v1/jobs/orders", json={"description": "x"}),
        client.delete("/v1/jobs/orders"),
        client.post("/v1/jobs/orders/disable"),
    ):
        assert answer.status_code == 409
        assert "is defined in a configuration file" in answer.json()["error"]["message"]
    assert client.post("/v1/jobs/orders/pause").json()["status"] == "paused"
    assert client.post("/v1/jobs/orders/resume").json()["status"] == "scheduled"


def test_a_paused_or_disabled_job_is_not_triggered(client: httpx.Client) -> None:
    create(client)
    assert client.post("/v1/jobs/orders/pause").json()["paused"] is True
    assert client.post("/v1/jobs/orders/trigger").status_code == 409
    assert client.post("/v1/jobs/orders/resume").json()["paused"] is False
    assert client.post("/v1/jobs/orders/disable").json()["status"] == "disabled"
    assert client.post("/v1/jobs/orders/trigger").status_code == 409
    assert client.post("/v1/jobs/orders/enable").json()["status"] == "scheduled"
    assert client.post("/v1/jobs/orders/trigger").status_code == 201


def test_a_clone_is_disabled_and_fills_another_knowledge_base(client: httpx.Client, world: World) -> None:
    create(client)
    world.run(world.state.jobs.get("orders"), status=RunStatus.COMPLETED, watermark=Watermark(41))
    world.names.append("other_kb")
    assert "already" in faults(client.post("/v1/jobs/orders/clone", json={"kb_name": "orders_kb"}))["source_table"]
    clone = client.post("/v1/jobs/orders/clone", json={"kb_name": "other_kb"}).json()
    assert (clone["name"], clone["status"], clone["watermark"], clone["version"]) == (
        "orders_copy",
        "disabled",
        None,
        1,
    )
    assert "already" in faults(client.patch("/v1/jobs/orders_copy", json={"kb_name": "orders_kb"}))["source_table"]
    assert client.post("/v1/jobs/orders_copy/enable").json()["status"] == "scheduled"
    assert client.post("/v1/jobs/orders/clone", json={"name": "orders_copy", "kb_name": "other_kb"}).status_code == 409


def test_deleting_frees_the_name_and_keeps_the_history(client: httpx.Client, world: World) -> None:
    create(client)
    world.run(world.state.jobs.get("orders"), status=RunStatus.COMPLETED, counts=Counts(records_read=3))
    assert client.delete("/v1/jobs/orders?purge_documents=true").status_code == 204
    assert world.told[-2:] == ["purge orders", "changed"]
    assert client.get("/v1/jobs/orders").status_code == 404
    assert client.get("/v1/jobs/job_1").status_code == 404
    assert client.get("/v1/runs/run_1").json()["job_name"] == "orders"
    assert create(client)["id"] == "job_2"


def test_a_job_with_a_live_run_is_deleted_only_with_its_run(client: httpx.Client) -> None:
    create(client)
    run = client.post("/v1/jobs/orders/trigger").json()
    assert client.delete("/v1/jobs/orders").status_code == 409
    assert client.delete("/v1/jobs/orders?cancel=true").status_code == 204
    assert client.get(f"/v1/runs/{run['id']}").json()["status"] == "canceled"


def test_documents_are_purged_only_when_nothing_writes_them_any_more(client: httpx.Client, world: World) -> None:
    create(client)
    world.begin(world.enqueue(world.state.jobs.get("orders")))
    answer = client.delete("/v1/jobs/orders?cancel=true&purge_documents=true")
    assert (answer.status_code, "still writing" in answer.json()["error"]["message"]) == (409, True)
    assert client.get("/v1/jobs/orders").status_code == 200
    assert "purge orders" not in world.told


def test_a_batch_tells_of_each(client: httpx.Client) -> None:
    batch = [NEW, NEW | {"name": "items", "source_table": "shop.items"}, NEW | {"name": "bad", "kb_name": "none"}]
    done = client.post("/v1/jobs/batch", json={"jobs": batch}).json()
    assert (done["succeeded"], done["failed"]) == (2, 1)
    assert [entry["job"] and entry["job"]["id"] for entry in done["results"]] == ["job_1", "job_2", None]
    assert done["results"][2]["error"]["details"][0]["field"] == "kb_name"
    off = client.post("/v1/jobs/batch-disable", json={"jobs": ["orders", "job_2", "ghost"]}).json()
    assert [entry["job"] and entry["job"]["status"] for entry in off["results"]] == ["disabled", "disabled", None]
    assert client.post("/v1/jobs/batch-enable", json={"jobs": ["orders"]}).json()["succeeded"] == 1
    assert client.post("/v1/jobs/batch-enable", json={}).json() == {"results": [], "succeeded": 0, "failed": 0}
    assert client.post("/v1/jobs/batch", json={"jobs": [NEW] * 51}).status_code == 422


def test_jobs_are_found_by_tag_table_and_knowledge_base(client: httpx.Client) -> None:
    create(client)
    create(client, name="items", source_table="shop.items", tags={"team": "web"})

    def names(**query: str) -> list[str]:
        return [job["name"] for job in client.get("/v1/jobs", params=query).json()["data"]]

    assert names(tag="team=web") == ["items"]
    assert names(source_table="shop.orders") == ["orders"]
    assert names(kb_name="orders_kb") == ["orders", "items"]
    assert client.get("/v1/jobs?tag=web").status_code == 422


def test_dependencies_are_listed_added_and_removed_and_circles_refused(client: httpx.Client) -> None:
    create(client)
    create(client, name="items", source_table="shop.items")
    create(client, name="parts", source_table="shop.parts")
    added = client.post("/v1/jobs/items/dependencies", json={"depends_on_job_id": "job_1"})
    assert added.status_code == 201
    assert added.json() == {
        "id": "dep_1", "job_id": "job_2", "depends_on_job_id": "job_1", "depends_on": "orders", "condition": "completed"
    }  # fmt: skip
    client.post("/v1/jobs/parts/dependencies", json={"depends_on_job_id": "items", "condition": "any"})
    for upstream in ("parts", "orders"):
        answer = client.post("/v1/jobs/orders/dependencies", json={"depends_on_job_id": upstream})
        assert "wait for each other" in faults(answer)["depends_on"]
    assert client.get("/v1/jobs/items/dependencies").json() == {"data": [added.json()]}
    assert client.delete("/v1/jobs/items/dependencies/dep_1").status_code == 204
    assert client.delete("/v1/jobs/items/dependencies/dep_1").status_code == 404


def test_health_sums_up_the_runs_of_a_window(client: httpx.Client, world: World) -> None:
    create(client)
    empty = client.get("/v1/jobs/orders/health").json()
    assert (empty["total_runs"], empty["health_score"], empty["success_rate"], empty["rows_behind"]) == (
        0,
        None,
        None,
        3,
    )
    job = world.state.jobs.get("orders")
    for status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_WARNINGS, RunStatus.COMPLETED, RunStatus.FAILED):
        world.run(job, status=status)
    health = client.get("/v1/jobs/orders/health?window=1h").json()
    assert (health["total_runs"], health["completed_runs"], health["failed_runs"]) == (4, 3, 1)
    assert (health["success_rate"], health["avg_duration_secs"], health["p95_duration_secs"]) == (0.75, 2.0, 2.0)
    assert health["health_score"] == 70 * 0.75 + 30
    assert client.get("/v1/jobs/orders/health?window=2h").status_code == 422


def test_a_watermark_is_shown_and_taken_back(client: httpx.Client, world: World) -> None:
    create(client)
    assert client.get("/v1/jobs/orders/watermark").json() == {"value": None, "kb_uuid": None, "read_at": None}
    world.run(world.state.jobs.get("orders"), status=RunStatus.COMPLETED, watermark=Watermark(41))
    assert client.get("/v1/jobs/orders/watermark").json()["value"] == "41"
    assert client.put("/v1/jobs/orders/watermark", json={"value": 7}).status_code == 422
    reset = client.put("/v1/jobs/orders/watermark", json={"value": None, "reason": "a restored backup"})
    assert reset.json()["value"] is None
    assert world.state.events.list()[0].detail == "a restored backup"
