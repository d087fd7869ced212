"""Dead letters over the API: listed in pages, replayed and discarded by keys or all, and sweeps approved."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from syncd.model.access import Scope
from syncd.model.job import Job
from syncd.model.record import Reject
from syncd.model.run import RunStatus
from syncd.model.watermark import Watermark
from tests.integration.api.conftest import World

LETTERS = "/v1/jobs/orders/dead-letters"
KEYS = ['"a/b"', '"ann",7', "(None,) at 5", "12", "x00ff"]


@pytest.fixture
def job(world: World) -> Job:
    """A job with five dead letters."""
    job = world.job()
    rejects = tuple(Reject(key, f"reason of {key}") for key in KEYS)
    world.run(job, status=RunStatus.COMPLETED_WITH_WARNINGS, watermark=Watermark(1), rejects=rejects)
    return job


def listed(client: httpx.Client, **params: Any) -> list[str]:
    """The keys that the list tells, one page after the other."""
    keys: list[str] = []
    while True:
        page = client.get(LETTERS, params=params).json()
        keys += [letter["key"] for letter in page["data"]]
        if not page["has_more"]:
            return keys
        params["cursor"] = page["next_cursor"]


def test_dead_letters_are_listed_in_pages_and_found_by_any_key(client: httpx.Client, world: World, job: Job) -> None:
    first = client.get(LETTERS, params={"limit": 2})
    assert [letter["key"] for letter in first.json()["data"]] == KEYS[:2]
    assert 'rel="next"' in first.headers["Link"]
    assert listed(client, limit=2) == KEYS
    for key in KEYS:
        [letter] = client.get(LETTERS, params={"key": key}).json()["data"]
        assert letter == {
            "key": key,
            "reason": f"reason of {key}",
            "attempts": 1,
            "first_seen": "2026-01-01T12:00:00Z",
            "last_seen": "2026-01-01T12:00:00Z",
        }
    assert listed(client, key="13") == []
    assert client.get("/v1/jobs/none/dead-letters").status_code == 404
    assert client.get(LETTERS, params={"limit": 101, "cursor": "x"}).json()["error"]["code"] == "INVALID_REQUEST"


def test_a_replay_is_a_run_of_its_own(client: httpx.Client, world: World, job: Job) -> None:
    """It shares no run with plain requests, and tells what it is."""
    plain = client.post("/v1/jobs/orders/trigger").json()
    some = client.post(f"{LETTERS}/replay", json={"keys": ["12", '"a/b"']})
    every = client.post(f"{LETTERS}/replay", json={"all": True})
    assert (some.status_code, every.status_code) == (201, 201)
    assert len({plain["id"], some.json()["id"], every.json()["id"]}) == 3
    assert (plain["replay"], some.json()["replay"], every.json()["replay"]) == (False, True, True)
    assert [world.state.runs.get(number).options.keys for number in (3, 4)] == [("12", '"a/b"'), ()]
    assert world.told == ["wake"] * 3


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "give either keys, or all: true"),
        ({"keys": ["12"], "all": True}, 422, "give either"),
        ({"keys": ["12"], "all": False}, 422, "give either"),
        ({"all": False}, 422, "give either"),
        ({"keys": []}, 422, "at least 1 item"),
        ({"keys": ["12"] * 501, "more": 1}, 422, "at most 500 entries"),
        ({"keys": ["12", "13", "14"]}, 404, "no dead letter of these keys: 13, 14"),
        ({"keys": ["\udc80"]}, 422, "must be valid Unicode text"),
    ],
)
def test_a_replay_of_nothing_is_refused(client: httpx.Client, job: Job, body: Any, status: int, said: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"{LETTERS}/replay", content=json.dumps(body), headers=headers)
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert len(client.get("/v1/runs").json()["data"]) == 1


def test_dead_letters_are_discarded_by_their_keys_or_all(client: httpx.Client, world: World, job: Job) -> None:
    """All that are named, or none; each time an event says who did it."""
    assert client.delete(LETTERS, params={"key": ["12", "13"]}).status_code == 404
    assert listed(client) == KEYS
    assert client.delete(LETTERS, params={"key": ["12", '"a/b"']}).json() == {"discarded": 2}
    assert listed(client) == KEYS[1:3] + KEYS[4:]
    for nothing in ({}, {"all": "true", "key": "x00ff"}):
        refused = client.delete(LETTERS, params=nothing)
        assert (refused.status_code, refused.json()["error"]["details"][0]["field"]) == (422, "key")
    assert client.delete(LETTERS, params={"all": "true"}).json() == {"discarded": 3}
    assert client.delete(LETTERS, params={"all": "true"}).json() == {"discarded": 0}
    told = [event.detail for event in world.state.events.list() if event.kind == "dead_letters_discarded"]
    assert sorted(told) == ['2 dead letters, such as "a/b"', "3 dead letters"]


def test_each_needs_its_scope(client: httpx.Client, world: World, job: Job) -> None:
    """Reading jobs:read, replaying jobs:trigger; what forgets letters or lets documents go jobs:write."""
    answers = {}
    for scope in (Scope.JOBS_READ, Scope.JOBS_TRIGGER, Scope.JOBS_WRITE):
        _, secret = world.state.tokens.create(scope.replace(":", "-"), [scope], world.now)
        headers = {"Authorization": f"Bearer {secret}"}
        answers[scope] = [
            client.get(LETTERS, headers=headers).status_code,
            client.post(f"{LETTERS}/replay", json={"all": True}, headers=headers).status_code,
            client.delete(LETTERS, params={"key": "12"}, headers=headers).status_code,
            client.post("/v1/jobs/orders/approve", headers=headers).status_code,
        ]
    assert answers == {
        Scope.JOBS_READ: [200, 403, 403, 403],
        Scope.JOBS_TRIGGER: [403, 201, 403, 403],
        Scope.JOBS_WRITE: [403, 403, 200, 409],
    }


def test_a_withheld_sweep_is_approved_once(client: httpx.Client, world: World) -> None:
    """The answer says how many documents it may remove, and names the run that does."""
    job = world.job()
    assert client.post("/v1/jobs/orders/approve").status_code == 409
    lease = world.begin(world.enqueue(job))
    world.state.sweeps.withhold(lease, world.now, 150, 250)
    answer = client.post("/v1/jobs/orders/approve")
    assert (answer.status_code, answer.json()["documents"]) == (201, 150)
    run = answer.json()["run"]
    assert (run["sweep"], run["status"], run["trigger"]) == (True, "queued", "api")
    known = world.state.sweeps.get(job.id)
    assert known is not None
    assert known.approved == 150
    assert world.told == ["wake"]


def test_a_sweep_can_be_asked_for(client: httpx.Client, world: World) -> None:
    """It becomes part of a plain run that waits."""
    world.job()
    first = client.post("/v1/jobs/orders/trigger").json()
    second = client.post("/v1/jobs/orders/trigger", json={"sweep": True}).json()
    assert (second["id"], first["sweep"], second["sweep"]) == (first["id"], False, True)
