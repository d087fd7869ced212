"""The client makes, changes, triggers and deletes the jobs of a real daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.client import Client, Conflict, Forbidden, Invalid, NewJob, NotFound, Unauthorized
from syncd.client.job_values import JobOptions
from syncd.model.access import Scope
from syncd.model.job import JobDefinition, Origin
from tests.daemon import Serving
from tests.world import now

FIELDS: dict[str, Any] = {"kb_name": "kb_one", "content_columns": ["body"], "filter_column": "f", "interval": "1 DAY"}


def wanted(name: str, table: str, **more: Any) -> NewJob:
    """A job that copies a table."""
    job: NewJob = {"name": name, "source_table": f"db.{table}", **FIELDS, **more}  # type: ignore[typeddict-item]
    return job


def test_a_job_is_made_changed_and_deleted(syncd: Client) -> None:
    end = datetime.now(UTC) + timedelta(days=1)
    made = syncd.jobs.create("made", source_table="db.made", **FIELDS, tags={"team": "search"}, end_time=end)
    assert (made["name"], made["origin"], made["status"], made["version"]) == ("made", "api", "scheduled", 1)
    assert datetime.fromisoformat(made["end_time"] or "") == end
    assert [job["name"] for job in syncd.jobs.list(tag="team=search")] == ["made"]

    changed = syncd.jobs.update("made", version=1, interval="2 DAYS", tags=None)
    assert (changed["version"], changed["interval"], changed["tags"]) == (2, "2 DAYS", {})
    with pytest.raises(Conflict, match="it has version 2, not 1"):
        syncd.jobs.update("made", version=1, interval="3 DAYS")
    assert [version["interval"] for version in syncd.jobs.versions("made")] == ["2 DAYS", "1 DAY"]

    assert syncd.jobs.disable("made")["status"] == "disabled"
    assert syncd.jobs.enable(made["id"])["enabled"] is True
    syncd.jobs.delete("made", cancel=True, purge_documents=True)
    with pytest.raises(NotFound, match="there is no job 'made'") as caught:
        syncd.jobs.get("made")
    assert (caught.value.status, caught.value.code) == (404, "NOT_FOUND")
    assert caught.value.request_id


def test_all_that_is_wrong_with_a_job_is_told_by_field(syncd: Client) -> None:
    wrong: JobOptions = {"window_rows": 0, "timezone": "Nowhere"}
    with pytest.raises(Invalid) as caught:
        syncd.jobs.create("wrong", source_table="db.made", **FIELDS, **wrong)
    assert {fault.where for fault in caught.value.details} == {"window_rows", "timezone"}


def test_of_several_jobs_each_is_made_by_itself_and_a_long_list_is_sent_in_parts(syncd: Client) -> None:
    jobs = [wanted("many", "changed"), *(wanted(f"nowhere{n}", "nothing") for n in range(55))]
    results = list(syncd.jobs.create_many(jobs))
    assert [result["name"] for result in results] == [job["name"] for job in jobs]
    assert results[0]["job"] is not None
    assert all(result["job"] is None and result["error"] is not None for result in results[1:])
    syncd.jobs.delete("many", cancel=True)


def test_a_job_of_a_file_is_paused_and_resumed_but_not_changed(syncd: Client) -> None:
    assert syncd.jobs.pause("copy")["status"] == "paused"
    with pytest.raises(Conflict, match="is paused"):
        syncd.jobs.trigger("copy")
    assert syncd.jobs.resume("copy")["status"] == "scheduled"
    with pytest.raises(Conflict, match="is defined in"):
        syncd.jobs.update("copy", interval="2 DAYS")


def test_a_clone_is_disabled(syncd: Client, served: Serving) -> None:
    with pytest.raises(Invalid, match="by the job copy already"):
        syncd.jobs.clone("copy", "copied", "kb_one")
    with pytest.raises(Invalid, match="there is no knowledge base 'other_kb'"):
        syncd.jobs.clone("copy", "copied", "other_kb")
    assert served.state.jobs.find("copied") is None


def test_what_belongs_to_a_job_is_told(syncd: Client) -> None:
    health = syncd.jobs.health("copy", "30d")
    assert health["completed_runs"] >= 1
    assert health["rows_behind"] == 0
    assert syncd.jobs.watermark("copy")["value"] is not None
    assert syncd.jobs.reset_watermark("copy", "to see it move")["value"] is None
    assert syncd.runs.wait(syncd.jobs.trigger("copy")["id"])["unchanged"] == 30
    assert syncd.jobs.get("copy")["watermark"] == "30"


def test_dependencies_are_added_listed_and_removed(syncd: Client) -> None:
    syncd.jobs.create("waits", source_table="db.waits", **FIELDS, enabled=False)
    added = syncd.jobs.add_dependency("waits", "copy", "any")
    assert (added["depends_on"], added["condition"]) == ("copy", "any")
    assert syncd.jobs.dependencies("waits") == [added]
    syncd.jobs.remove_dependency("waits", added["id"])
    assert syncd.jobs.dependencies("waits") == []


def test_a_list_of_more_than_a_page_is_yielded_whole(syncd: Client, served: Serving) -> None:
    definition = JobDefinition.model_validate({**FIELDS, "source_table": "db.t", "enabled": False})
    names = [f"paged{n:03}" for n in range(105)]
    for name in names:
        served.state.jobs.put(name, definition, Origin.API, now())
    found = [job["name"] for job in syncd.jobs.list(source_table="db.t", status="disabled")]
    assert found == names
    for name in names:
        served.state.jobs.delete(served.state.jobs.get(name).id, now())


def test_the_same_key_is_answered_with_the_same_run(syncd: Client) -> None:
    first = syncd.jobs.trigger("copy", idempotency_key="once", full_refresh=True, tags={"why": "test"})
    again = syncd.jobs.trigger("copy", idempotency_key="once", full_refresh=True, tags={"why": "test"})
    assert (first["idempotency_hit"], again["idempotency_hit"]) == (False, True)
    assert first["id"] == again["id"]
    ended = syncd.runs.wait(first["id"])
    assert (ended["status"], ended["full_refresh"], ended["tags"]) == ("completed", True, {"why": "test"})
    with pytest.raises(Invalid) as caught:
        syncd.jobs.trigger("copy", idempotency_key="once", limit=1)
    assert caught.value.code == "IDEMPOTENCY_KEY_REUSED"


def test_several_runs_are_asked_for_together(syncd: Client) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    asked = syncd.jobs.trigger_many("copy", [{"dry_run": True, "limit": 1}, {"scheduled_at": later, "dry_run": True}])
    assert (asked["total"], asked["created"]) == (2, 2)
    first, second = (result["id"] for result in asked["results"])
    assert syncd.runs.cancel(second)["status"] == "canceled"
    assert syncd.runs.wait(first)["dry_run"] is True


def test_a_token_opens_what_its_scopes_allow(syncd: Client) -> None:
    admin = syncd.tokens.create("admin", ["admin"])
    url = syncd.url
    with pytest.raises(Unauthorized, match="a valid token is needed"):
        next(syncd.jobs.list())
    with Client(url, admin["token"] + "\n") as owner:
        reader = owner.tokens.create(
            "reader", [Scope.JOBS_READ.value], jobs=["copy"], expires_at="2100-01-01T00:00:00Z"
        )
        with Client(url, reader["token"]) as limited:
            assert [job["name"] for job in limited.jobs.list()] == ["copy"]
            with pytest.raises(Forbidden, match="the token lacks jobs:trigger"):
                limited.jobs.trigger("copy")
        assert [token["name"] for token in owner.tokens.list(status="active")] == ["admin", "reader"]
        owner.tokens.revoke("reader")
        owner.tokens.revoke(admin["id"])
    assert syncd.jobs.get("copy")["name"] == "copy"
