"""/v1/tokens makes, shows and revokes tokens; a secret is told once, and nobody gives more than they have."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from syncd.model.access import Scope

from .conftest import World

ADMIN = ["admin"]


@pytest.fixture
def admin(client: httpx.Client, world: World) -> httpx.Client:
    """A client that may do everything."""
    return bearing(client, world, "root", Scope.ADMIN)


def bearing(client: httpx.Client, world: World, name: str, *scopes: Scope, **limits: Any) -> httpx.Client:
    """Let the client send a new token with each request."""
    _, secret = world.state.tokens.create(name, scopes, world.now, **limits)
    client.headers["Authorization"] = f"Bearer {secret}"
    return client


def test_a_token_is_made_and_told_once(admin: httpx.Client) -> None:
    wanted = {
        "name": "shop",
        "scopes": ["kb:read", "jobs:read"],
        "knowledge_bases": ["orders_kb", "people_kb"],
        "expires_at": "2026-01-31T00:00:00+01:00",
    }
    answer = admin.post("/v1/tokens", json=wanted)
    assert answer.status_code == 201
    made = answer.json()
    secret = made.pop("token")
    assert re.fullmatch(r"syncd_2_[A-Za-z0-9_-]{43}", secret)
    assert made == {
        "id": "tok_2",
        "name": "shop",
        "status": "active",
        "scopes": ["jobs:read", "kb:read"],
        "jobs": None,
        "databases": None,
        "knowledge_bases": ["orders_kb", "people_kb"],
        "created_at": "2026-01-01T12:00:00Z",
        "created_by": "root",
        "expires_at": "2026-01-30T23:00:00Z",
        "revoked_at": None,
        "last_used_at": None,
    }
    listed = admin.get("/v1/tokens").json()["data"]
    assert listed[1] == made
    assert "token" not in listed[0]
    admin.headers["Authorization"] = f"Bearer {secret}"
    assert admin.get("/v1/jobs").status_code == 200
    assert admin.get("/v1/runs").status_code == 403


def test_the_first_token_is_made_by_whoever_is_here_and_closes_the_door(client: httpx.Client) -> None:
    made = client.post("/v1/tokens", json={"name": "first", "scopes": ADMIN}).json()
    assert made["created_by"] is None
    assert client.post("/v1/tokens", json={"name": "second", "scopes": ADMIN}).status_code == 401
    client.headers["Authorization"] = f"Bearer {made['token']}"
    assert client.get("/v1/tokens").json()["data"][0]["last_used_at"] == "2026-01-01T12:00:00Z"


def test_a_token_is_revoked_by_its_id_or_its_name(admin: httpx.Client, world: World) -> None:
    for name in ("a", "b"):
        admin.post("/v1/tokens", json={"name": name, "scopes": []})
    world.now += timedelta(seconds=1)
    for reference in ("tok_2", "b", "tok_2"):
        answer = admin.delete(f"/v1/tokens/{reference}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert [answer.status_code for answer in map(admin.delete, ("/v1/tokens/b", "/v1/tokens/tok_9"))] == [404, 404]
    revoked = admin.get("/v1/tokens?status=revoked").json()["data"]
    assert [(token["name"], token["revoked_at"]) for token in revoked] == [
        ("a", "2026-01-01T12:00:01Z"),
        ("b", "2026-01-01T12:00:01Z"),
    ]
    assert admin.delete("/v1/tokens/root").status_code == 204
    assert admin.get("/v1/healthz").status_code == 404
    assert [event.detail for event in world.state.events.list(limit=1)] == ["tok_1 root, by root"]


def test_a_name_is_free_again_when_its_token_is_revoked(admin: httpx.Client) -> None:
    wanted = {"name": "a", "scopes": []}
    codes = [admin.post("/v1/tokens", json=wanted).status_code for _ in range(2)]
    admin.delete("/v1/tokens/a")
    assert [*codes, admin.post("/v1/tokens", json=wanted).status_code] == [201, 409, 201]


def test_tokens_are_listed_in_pages_and_by_status(admin: httpx.Client, world: World) -> None:
    for number in range(5):
        admin.post("/v1/tokens", json={"name": f"t{number}", "scopes": [], "expires_at": f"2026-01-0{number + 2}"})
    world.now += timedelta(days=2)
    seen: list[str] = []
    url = "/v1/tokens?limit=2"
    while url:
        answer = admin.get(url)
        seen += [token["id"] for token in answer.json()["data"]]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [f"tok_{number}" for number in range(1, 7)]
    expired = admin.get("/v1/tokens?status=expired").json()["data"]
    assert [token["name"] for token in expired] == ["t0", "t1"]
    assert admin.get("/v1/tokens?cursor=am9iczox").status_code == 422


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ({}, {"name", "scopes"}),
        ({"name": "a b", "scopes": ["root"], "more": 1}, {"name", "scopes.0", "more"}),
        ({"name": "a", "scopes": "admin"}, {"scopes"}),
        ({"name": "a", "scopes": [], "jobs": ["a\r\nb"], "databases": [1]}, {"jobs.0", "databases.0"}),
        ({"name": "tok_7", "scopes": [], "expires_at": "2026-01-01T12:00:00Z"}, {"name", "expires_at"}),
        ({"name": "a", "scopes": [], "expires_at": "soon"}, {"expires_at"}),
    ],
)
def test_everything_that_is_wrong_is_listed(admin: httpx.Client, wanted: dict[str, Any], fields: set[str]) -> None:
    answer = admin.post("/v1/tokens", json=wanted)
    assert answer.status_code == 422
    assert {detail["field"] for detail in answer.json()["error"]["details"]} == fields
    assert len(admin.get("/v1/tokens").json()["data"]) == 1


LIMITED: dict[str, Any] = {"jobs": ["a", "b"], "expires_at": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        (LIMITED, None),
        ({**LIMITED, "jobs": ["a"], "databases": ["shop"], "expires_at": "2026-01-01T13:00:00Z"}, None),
        ({**LIMITED, "jobs": []}, None),
        ({**LIMITED, "jobs": ["a", "c"]}, "jobs"),
        ({**LIMITED, "jobs": None}, "jobs"),
        ({**LIMITED, "expires_at": None}, "expires_at"),
        ({**LIMITED, "expires_at": "2026-01-02T00:00:01Z"}, "expires_at"),
        ({}, "jobs, expires_at"),
    ],
)
def test_nobody_gives_more_than_they_have(
    client: httpx.Client, world: World, wanted: dict[str, Any], missing: str | None
) -> None:
    bearing(client, world, "limited", Scope.ADMIN, jobs=["a", "b"], expires_at=world.now + timedelta(hours=12))
    answer = client.post("/v1/tokens", json={"name": "t", "scopes": ADMIN, **wanted})
    assert answer.status_code == (201 if missing is None else 403), answer.text
    if missing is not None:
        assert f"what it does not have: {missing} (" in answer.json()["error"]["message"]


def test_who_is_limited_neither_sees_nor_revokes_tokens_beyond(client: httpx.Client, world: World) -> None:
    for name, jobs in (("all", None), ("a", ["a"]), ("c", ["c"])):
        world.state.tokens.create(name, [Scope.JOBS_READ], world.now, jobs=jobs)
    bearing(client, world, "limited", Scope.ADMIN, jobs=["a", "b"])
    assert [token["name"] for token in client.get("/v1/tokens").json()["data"]] == ["a", "limited"]
    codes = {name: client.delete(f"/v1/tokens/{name}").status_code for name in ("all", "a", "c", "tok_1", "tok_3")}
    assert codes == {"all": 403, "a": 204, "c": 403, "tok_1": 403, "tok_3": 403}
