"""A knowledge base is rebuilt through the API; who may see less is told less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.model.access import Scope
from tests.integration.api.shelf import Shelf, shelf

REBUILD = "/v1/knowledge-bases/orders_kb/rebuild"
ONE = "/v1/knowledge-bases/orders_kb"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Shelf]:
    """A knowledge base that two jobs fill."""
    with shelf(tmp_path) as made:
        made.job("seen", "orders_kb", source_table="shop.seen")
        made.job("hidden", "orders_kb", source_table="shop.hidden")
        yield made


def test_a_rebuild_begins_once_and_asks_for_a_run_of_each_job(opened: Shelf) -> None:
    assert opened.client.get(ONE).json()["generations"] is None, "it is not open"
    begun = opened.client.post(REBUILD, json={"from_existing": True})
    assert begun.status_code == 202, begun.text
    told = begun.json()
    assert (told["new"], told["left_out"], sorted(told["generation"]["waits_for"])) == (True, [], ["hidden", "seen"])
    runs = opened.state.runs.list()
    assert sorted(told["runs"]) == sorted(run.id for run in runs)
    assert {(run.job_name, str(run.trigger)) for run in runs} == {("seen", "api"), ("hidden", "api")}
    again = opened.client.post(REBUILD, json={}).json()
    assert (again["new"], again["generation"], again["runs"]) == (False, told["generation"], told["runs"])
    serving, filling = opened.client.get(ONE).json()["generations"]
    assert (serving["state"], serving["waits_for"], filling) == ("serving", {}, told["generation"])
    assert opened.client.delete(f"{ONE}/generations/{serving['id']}").status_code == 409
    assert opened.client.delete(f"{ONE}/generations/another").status_code == 404
    assert opened.client.delete(f"{ONE}/generations/{filling['id']}").status_code == 204
    assert [one["id"] for one in opened.client.get(ONE).json()["generations"]] == [serving["id"]]


def test_a_token_sees_its_own_jobs_only_and_needs_the_right_to_change(opened: Shelf) -> None:
    opened.ask_as("one job", Scope.KB_WRITE, Scope.KB_READ, jobs=frozenset({"seen"}))
    told = opened.client.post(REBUILD, json={}).json()
    assert list(told["generation"]["waits_for"]) == ["seen"]
    assert len(told["runs"]) == 1
    assert len(opened.state.runs.list()) == 2
    filling = opened.client.get(ONE).json()["generations"][1]
    assert list(filling["waits_for"]) == ["seen"]
    opened.ask_as("a reader", Scope.KB_READ)
    assert opened.client.post(REBUILD, json={}).status_code == 403
    assert opened.client.delete(f"{ONE}/generations/{filling['id']}").status_code == 403
    opened.ask_as("of another", Scope.KB_WRITE, knowledge_bases=frozenset({"people"}))
    assert opened.client.post(REBUILD, json={}).status_code == 403


def test_what_cannot_be_rebuilt_says_why(opened: Shelf) -> None:
    assert opened.client.post("/v1/knowledge-bases/nothing/rebuild", json={}).status_code == 404
    assert opened.client.post(REBUILD, json={"from": True}).status_code == 422
    assert opened.post(name="people", embedder={"type": "hashing"}).status_code == 201
    refused = opened.client.post("/v1/knowledge-bases/people/rebuild", json={})
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == "no job fills the knowledge base people (add one, or enable it)"
