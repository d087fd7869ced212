"""Once there is a token, nobody gets further than theirs goes: every route, with every scope."""

from __future__ import annotations

import base64
import logging
import re
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute

from syncd.api.app import create_app
from syncd.errors import Unavailable
from syncd.model.access import Scope, Token
from syncd.model.run import RunStatus
from syncd.state.tokens import Tokens

from .conftest import World, serving

OPEN = {"GET /healthz", "GET /readyz"}
NOT_DESCRIBED: set[str] = set()
SEARCH = "/v1/knowledge-bases/orders_kb/search"


class Operation(NamedTuple):
    """A route and a method, with what its description says of access."""

    name: str
    method: str
    path: str
    scheme: dict[str, Any] | None
    scopes: frozenset[str]

    def headers(self, secret: str) -> dict[str, str]:
        """Return the headers that carry a token as this operation wants it."""
        assert self.scheme is not None
        match self.scheme:
            case {"type": "http", "scheme": "bearer"}:
                return {"Authorization": f"Bearer {secret}"}
            case {"type": "http", "scheme": "basic"}:
                return {"Authorization": "Basic " + base64.b64encode(f"{secret}:".encode()).decode()}
            case {"type": "apiKey", "in": "header", "name": name}:
                return {str(name): secret}
        raise AssertionError(f"{self.name} takes tokens in a form that nobody knows: {self.scheme}")


def operations(described: dict[str, Any]) -> list[Operation]:
    """Return every operation of an OpenAPI document."""
    found = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            [security] = operation.get("security", [{}])
            name, scopes = next(iter(security.items()), (None, []))
            scheme = described["components"]["securitySchemes"][name] if name else None
            filled = re.sub(r"\{[^}]*\}", "1", path)
            found.append(Operation(f"{method.upper()} {path}", method.upper(), filled, scheme, frozenset(scopes)))
    return found


@pytest.fixture
def described(world: World) -> dict[str, Any]:
    """The app's own description, which the tests hold it to."""
    app = create_app(world.services(), None)
    document: dict[str, Any] = app.openapi()
    hidden = {route.path for route in app.routes if not isinstance(route, APIRoute) and hasattr(route, "path")}
    hidden |= {route.path for route in app.routes if isinstance(route, APIRoute) and not route.include_in_schema}
    assert hidden <= NOT_DESCRIBED
    return document


@pytest.fixture
def tokens(world: World) -> Tokens:
    """The tokens of the world."""
    return world.state.tokens


def bearer(secret: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {secret}"}


def token(world: World, name: str, *scopes: Scope, **limits: Any) -> str:
    """Make a token and return its secret."""
    return world.state.tokens.create(name, scopes, world.now, **limits)[1]


def denied(answer: httpx.Response) -> bool:
    """Tell whether an answer says that the caller may not ask."""
    return answer.status_code in {401, 403}


def test_every_operation_says_what_it_asks_of_its_caller(described: dict[str, Any]) -> None:
    """A new route that asks for nothing, or for a scope that does not exist, fails here."""
    found = operations(described)
    assert {operation.name for operation in found if operation.scheme is None} == OPEN
    assert {scope for operation in found for scope in operation.scopes} <= set(Scope)
    assert [o.name for o in found if o.scheme is not None and not o.scopes] == ["GET /metrics"]
    for operation in found:
        path = operation.name.partition(" ")[2]
        responses = described["paths"][path][operation.method.lower()]["responses"]
        assert operation.scheme is None or {"401", "403"} <= set(responses), operation.name


def test_every_operation_with_every_scope(client: httpx.Client, world: World, described: dict[str, Any]) -> None:
    """With its own scopes or admin a token gets through; with none of them, or with all the others, it does not."""
    secrets = {scope: token(world, scope.name, scope) for scope in Scope}
    nothing = token(world, "nothing")
    for operation in operations(described):
        if operation.scheme is None:
            assert not denied(client.request(operation.method, operation.path)), operation.name
            continue
        needed = operation.scopes
        all_but_these = token(
            world, f"not-{world.state.tokens.list()[-1].number}", *(set(Scope) - needed - {Scope.ADMIN})
        )
        for scope, secret in secrets.items():
            answer = client.request(operation.method, operation.path, headers=operation.headers(secret))
            enough = scope is Scope.ADMIN or not needed or needed <= {scope}
            assert denied(answer) is not enough, (operation.name, scope, answer.text)
        for secret in (nothing, all_but_these) if needed else (nothing,):
            answer = client.request(operation.method, operation.path, headers=operation.headers(secret))
            assert answer.status_code == 403, (operation.name, answer.text)
            if operation.scheme == {**operation.scheme, "scheme": "bearer"}:
                assert answer.json()["error"]["code"] == "FORBIDDEN"
        exact = token(world, f"exact-{world.state.tokens.list()[-1].number}", *map(Scope, needed or {Scope.KB_READ}))
        assert not denied(client.request(operation.method, operation.path, headers=operation.headers(exact)))


def test_every_operation_without_a_valid_token_is_one_and_the_same_401(
    client: httpx.Client, world: World, tokens: Tokens, described: dict[str, Any]
) -> None:
    good = token(world, "good", Scope.ADMIN)
    expired = token(world, "expired", Scope.ADMIN, expires_at=world.now + timedelta(seconds=1))
    revoked = token(world, "revoked", Scope.ADMIN)
    tokens.revoke(tokens.get("revoked").number, world.now)
    world.now += timedelta(seconds=1)
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    unknown = good.replace("syncd_1_", "syncd_99_")
    seen = set()
    for operation in operations(described):
        if operation.scheme is None:
            continue
        headers = [operation.headers(secret) for secret in (expired, revoked, wrong, unknown, "x", good + "\t!")]
        headers += [{}, {"Authorization": good}, {"Authorization": f"Digest {good}"}, {"Cookie": f"token={good}"}]
        headers += [{"X-Api-Key": good}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer  {good} {good}"}]
        for sent in headers:
            answer = client.request(operation.method, operation.path, headers=sent)
            assert answer.status_code == 401, (operation.name, sent)
            assert answer.headers["WWW-Authenticate"].startswith(("Bearer", "Basic", "ApiKey"))
            if operation.scheme == {**operation.scheme, "scheme": "bearer"}:
                seen.add((answer.headers["WWW-Authenticate"], str(answer.json()["error"])))
    [(challenge, error)] = seen
    assert challenge == "Bearer"
    assert "'code': 'UNAUTHORIZED'" in error


def test_a_token_in_a_query_string_is_never_accepted(
    client: httpx.Client, world: World, described: dict[str, Any]
) -> None:
    secret = token(world, "t", Scope.ADMIN)
    names = (
        "token",
        "access_token",
        "api_key",
        "apikey",
        "key",
        "authorization",
        "Authorization",
        "X-StorageApi-Token",
    )
    for operation in operations(described):
        if operation.scheme is not None:
            for value in (secret, f"Bearer {secret}"):
                answer = client.request(operation.method, operation.path, params=dict.fromkeys(names, value))
                assert answer.status_code == 401, operation.name
                assert secret not in answer.text
    assert client.request("POST", SEARCH, json={"query": "x", "access_token": secret}).status_code == 401


def test_while_there_is_no_token_being_here_is_enough(client: httpx.Client, world: World) -> None:
    assert client.get("/v1/jobs").status_code == 200
    assert client.get("/v1/jobs", headers=bearer("whatever")).status_code == 200
    secret = token(world, "t", Scope.JOBS_READ)
    assert client.get("/v1/jobs").status_code == 401
    assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 200
    world.state.tokens.revoke(1, world.now)
    assert client.get("/v1/jobs").status_code == 200


def test_time_alone_opens_no_door(client: httpx.Client, world: World) -> None:
    """After the only token has expired nobody gets in without one."""
    secret = token(world, "t", Scope.ADMIN, expires_at=world.now + timedelta(days=1))
    assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 200
    world.now += timedelta(days=1)
    assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 401
    assert client.get("/v1/jobs").status_code == 401


def test_a_revocation_by_anybody_counts_from_the_next_request_on(client: httpx.Client, world: World) -> None:
    """On a connection that is in use already, too."""
    secret = token(world, "t", Scope.JOBS_READ)
    token(world, "other", Scope.ADMIN)
    assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 200
    world.state.tokens.revoke(1, world.now)
    assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 401


def test_a_server_that_others_reach_stays_closed_without_tokens(world: World) -> None:
    app = create_app(world.services(anonymous=False), None)
    with serving(world, app) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/v1/jobs").status_code == 401
        assert client.get("/healthz").status_code == 200
        secret = token(world, "t", Scope.JOBS_READ)
        assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 200
        world.state.tokens.revoke(1, world.now)
        assert client.get("/v1/jobs").status_code == 401


def test_probes_and_the_description_need_no_token(client: httpx.Client, world: World) -> None:
    world.job("secret_job")
    token(world, "t", Scope.ADMIN)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert "secret_job" not in client.get("/openapi.json").text


@pytest.fixture
def shops(world: World) -> None:
    """Two shops, each with a job that has run, on databases and knowledge bases of their own."""
    world.names = ["orders_kb", "people_kb"]
    world.run(world.job("orders"))
    world.run(world.job("people", source_table="crm.people", kb_name="people_kb"), status=RunStatus.FAILED)


LIMITS = [{"jobs": ["orders"]}, {"databases": ["shop"]}, {"knowledge_bases": ["orders_kb"]}]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("scope", [Scope.ADMIN, Scope.JOBS_READ])
@pytest.mark.usefixtures("shops")
def test_jobs_and_runs_beyond_the_limits_do_not_exist_in_lists_and_are_refused_alone(
    client: httpx.Client, world: World, scope: Scope, limits: dict[str, list[str]]
) -> None:
    """Admin or not."""
    client.headers.update(bearer(token(world, "t", scope, Scope.RUNS_READ, **limits)))
    assert [job["name"] for job in client.get("/v1/jobs").json()["data"]] == ["orders"]
    assert [run["job_name"] for run in client.get("/v1/runs").json()["data"]] == ["orders"]
    assert client.get("/v1/runs", params={"status": "failed"}).json()["data"] == []
    for path in ("/v1/jobs/orders", "/v1/jobs/job_1", "/v1/runs/run_1", "/v1/runs?job=orders"):
        assert client.get(path).status_code == 200, path
    for path in ("/v1/jobs/people", "/v1/jobs/job_2", "/v1/runs/run_2", "/v1/runs?job=people", "/v1/runs?job=job_2"):
        assert (client.get(path).status_code, client.get(path).json()["error"]["code"]) == (403, "FORBIDDEN"), path
    # What is close to a name is told only to those who may see all names.
    assert "people" not in client.get("/v1/jobs/peopl").text
    assert "people" not in client.get("/v1/runs?job=peopl").text.replace("'peopl'", "")
    told = client.get("/metrics").text
    assert 'job="orders"' in told
    assert "people" not in told
    assert "syncd_build_info" in told


@pytest.mark.usefixtures("shops")
def test_knowledge_bases_beyond_the_limits_are_refused(client: httpx.Client, world: World) -> None:
    client.headers.update(bearer(token(world, "t", Scope.KB_READ, knowledge_bases=["orders_kb", "nothing"])))
    assert client.post(SEARCH, json={"query": "x"}).status_code == 200
    answers = {
        name: client.post(f"/v1/knowledge-bases/{name}/search", json={"query": "x"}).status_code
        for name in ("people_kb", "unknown", "nothing")
    }
    assert answers == {"people_kb": 403, "unknown": 403, "nothing": 404}


@pytest.mark.usefixtures("shops")
def test_pages_within_limits_are_as_full_as_others(client: httpx.Client, world: World) -> None:
    orders = world.state.jobs.get("orders")
    for _ in range(3):
        world.run(world.state.jobs.get("people"))
        world.run(orders)
    client.headers.update(bearer(token(world, "t", Scope.RUNS_READ, jobs=["orders"])))
    first = client.get("/v1/runs?limit=2").json()
    assert [run["job_name"] for run in first["data"]] == ["orders", "orders"]
    rest = client.get("/v1/runs", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ([run["job_name"] for run in rest["data"]], rest["has_more"]) == (["orders", "orders"], False)


def test_guesses_lead_nowhere_and_leave_nothing(client: httpx.Client, world: World, tokens: Tokens) -> None:
    good = token(world, "t", Scope.ADMIN)
    guesses = [f"syncd_{number}_{'A' * 43}" for number in range(200)]
    answers = [client.get("/v1/jobs", headers=bearer(guess)) for guess in guesses]
    assert {answer.status_code for answer in answers} == {401}
    assert len({str(answer.json()["error"]) for answer in answers}) == 1
    assert tokens.get("t").last_used_at is None
    assert client.get("/v1/jobs", headers=bearer(good)).status_code == 200
    assert tokens.get("t").last_used_at == world.now


def test_a_use_that_cannot_be_written_is_answered_all_the_same(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk must not keep those out who look what is wrong."""

    def used(_self: Tokens, _token: Token, _now: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(Tokens, "used", used)
    secret = token(world, "t", Scope.JOBS_READ)
    assert client.get("/v1/jobs", headers=bearer(secret)).status_code == 200
    assert "the disk is full" in caplog.text


def test_a_token_is_in_no_answer_and_in_no_log(
    client: httpx.Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it was sent by mistake, and whatever became of the request."""
    secret = token(world, "t", Scope.ADMIN)
    world.index.error = RuntimeError("unexpected")
    with caplog.at_level(logging.DEBUG):
        answers = [
            client.get("/v1/jobs", headers=bearer(secret)),
            client.get("/v1/tokens", headers=bearer(secret)),
            client.get("/metrics", headers=bearer(secret)),
            client.post(SEARCH, json={"query": "x"}, headers=bearer(secret)),
            client.get(f"/v1/jobs/{secret}", headers=bearer(secret)),
            client.get(f"/v1/runs?job={secret}", headers=bearer(secret)),
            client.get(f"/v1/runs/{secret}", headers=bearer(secret)),
            client.post(f"/v1/knowledge-bases/{secret}/search", json={"query": "x"}, headers=bearer(secret)),
            client.delete(f"/v1/tokens/{secret}", headers=bearer(secret)),
            client.get(f"/v1/jobs?token={secret}"),
            client.get("/v1/jobs", headers={"X-Request-Id": secret[:60]}),
        ]
    random = secret.removeprefix("syncd_1_")
    assert 500 in {answer.status_code for answer in answers}
    for answer in answers[:-1]:
        assert random not in answer.text, answer.url
        assert random not in str(answer.headers)
    ours = [record for record in caplog.records if record.name.startswith(("syncd", "uvicorn"))]
    assert ours
    assert not [record for record in ours if random in record.getMessage()]


HOSTILE = "<script>alert(1)</script>\r\nSet-Cookie: x=1\x1b[31m\u2028'\";--"


def test_what_rows_hold_is_only_ever_data(client: httpx.Client, world: World) -> None:
    """A page cannot be made of an answer, nor a header, nor a colour in a terminal."""
    world.job("orders")
    world.index.add("shop.orders:1#0", HOSTILE, product=HOSTILE)
    world.run(world.state.jobs.get("orders"), status=RunStatus.FAILED, error=HOSTILE)
    world.state.jobs.block(1, HOSTILE, world.now)
    answers = [
        client.post(SEARCH, json={"query": HOSTILE}),
        client.get("/v1/runs/run_1"),
        client.get("/v1/jobs/orders"),
    ]
    assert answers[0].json()["data"][0]["text"] == HOSTILE
    assert answers[1].json()["error"] == answers[2].json()["blocked_reason"] == HOSTILE
    answers += [
        client.get("/v1/jobs/" + quote(HOSTILE.replace("/", ""))),
        client.get("/v1/jobs", params={"name": HOSTILE}),
    ]
    answers += [client.post("/v1/tokens", json={"name": HOSTILE, "scopes": [HOSTILE], "jobs": [HOSTILE]})]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Set-Cookie" not in answer.headers
        assert not set(answer.content) & {0x1B, 0x0D}
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 200, 422]
