"""Webhooks are made, changed, tried and removed over HTTP, and their secrets are told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from syncd.api.app import create_app
from syncd.api.webhook_views import shown_run
from syncd.model.access import Scope
from syncd.model.webhook import DeliveryStatus
from syncd.webhooks import Deliverer, Sender
from tests.integration.api.conftest import World
from tests.receiver import Receiver, receiving
from tests.waiting import until

GIVEN = "a secret of mine, which is long enough"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def deliverer(world: World) -> Deliverer:
    return Deliverer(world.state, Sender([ip_network("127.0.0.1/32")]), shown_run, world.clock, chance=lambda: 0)


@pytest.fixture
def app(world: World, deliverer: Deliverer) -> FastAPI:
    world.deliverer = deliverer
    return create_app(world.services(), None)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def add(client: TestClient, receiver: Receiver, **fields: object) -> dict[str, Any]:
    """Make a webhook, and return the answer."""
    answer = client.post("/v1/webhooks", json={"name": "one", "url": receiver.url, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/v1/webhooks/{made['id']}"
    return made


def faults(answer: Any) -> dict[str, str]:
    """The faults of an answer, by field."""
    assert answer.status_code == 422, answer.text
    return {detail["field"]: detail["message"] for detail in answer.json()["error"]["details"]}


def test_a_webhook_is_made_with_defaults_and_its_secret_is_told_once(client: TestClient, receiver: Receiver) -> None:
    made = add(client, receiver)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) >= 32
    assert made == {
        "id": "wh_1",
        "name": "one",
        "url": receiver.url,
        "events": [],
        "jobs": None,
        "max_seconds_behind": None,
        "enabled": True,
        "former_secret_until": None,
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
    }
    assert client.get("/v1/webhooks/wh_1").json() == made
    assert client.get("/v1/webhooks").json() == {"data": [made], "next_cursor": None, "has_more": False}
    other = add(client, receiver, name="two", secret=GIVEN)
    assert other["secret"] == GIVEN
    assert secret != other["secret"]


def test_no_later_answer_and_no_log_line_holds_a_secret(
    client: TestClient, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    made = add(client, receiver, secret=GIVEN)
    rotated = client.post(f"/v1/webhooks/{made['id']}/rotate-secret").json()
    told = [
        client.get("/v1/webhooks").text,
        client.get("/v1/webhooks/wh_1").text,
        client.patch("/v1/webhooks/wh_1", json={"enabled": True}).text,
        client.post("/v1/webhooks/wh_1/ping").text,
        client.get("/v1/webhooks/wh_1/deliveries").text,
        client.post("/v1/webhooks", json={"name": "one", "url": receiver.url, "secret": GIVEN}).text,
        client.post("/v1/webhooks", json={"name": "two", "url": "x", "secret": GIVEN}).text,
        client.post("/v1/webhooks", json={"name": "two", "url": receiver.url, "secret": GIVEN[:20]}).text,
        caplog.text,
    ]
    assert rotated["secret"] not in (made["secret"], "")
    assert [text for text in told if GIVEN[:20] in text or rotated["secret"] in text] == []


def test_every_fault_is_told_at_once(client: TestClient, world: World) -> None:
    world.job("orders")
    answer = client.post(
        "/v1/webhooks",
        json={
            "name": "no name",
            "url": "http://169.254.169.254/latest",
            "secret": "short",
            "events": ["run.started", "run.exploded"],
            "jobs": ["orders", "ordres"],
            "max_seconds_behind": 5,
            "enabled": "yes",
            "allow_private": True,
        },
    )
    found = faults(answer)
    assert set(found) == {
        "name",
        "url",
        "secret",
        "events.1",
        "jobs",
        "max_seconds_behind",
        "enabled",
        "allow_private",
    }
    assert "169.254.169.254 has an address that is not public" in found["url"]
    assert found["secret"].startswith("must have 32 to 256")
    assert "run.canceled" in found["events.1"]
    assert found["jobs"] == "there is no job ordres; GET /v1/jobs lists the jobs"
    assert found["allow_private"] == "is not known here"
    assert client.get("/v1/webhooks").json()["data"] == []


def test_what_is_missing_or_no_object_is_told(client: TestClient) -> None:
    assert faults(client.post("/v1/webhooks", json={})) == {"name": "is required", "url": "is required"}
    assert list(faults(client.post("/v1/webhooks", json=[]))) == ["body"]
    assert list(faults(client.post("/v1/webhooks", content="{"))) == ["body"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2/",
        "http://localhost.localdomain.invalid/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2002:a00:1::]/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://0.0.0.0/",
        "ftp://example.com/",
        "http://user:word@example.com/",
    ],
)
def test_a_webhook_can_neither_be_made_nor_led_where_it_may_not_go(
    client: TestClient, receiver: Receiver, url: str
) -> None:
    add(client, receiver)
    assert list(faults(client.post("/v1/webhooks", json={"name": "two", "url": url}))) == ["url"]
    assert list(faults(client.patch("/v1/webhooks/wh_1", json={"url": url}))) == ["url"]
    assert client.get("/v1/webhooks/wh_1").json()["url"] == receiver.url


def test_a_name_is_taken_once(client: TestClient, receiver: Receiver) -> None:
    add(client, receiver)
    add(client, receiver, name="two")
    for answer in (
        client.post("/v1/webhooks", json={"name": "one", "url": receiver.url}),
        client.patch("/v1/webhooks/wh_2", json={"name": "one"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


def test_a_change_changes_what_it_names(client: TestClient, world: World, receiver: Receiver) -> None:
    world.job("orders")
    made = add(client, receiver, jobs=["orders"], events=["run.failed", "job.blocked"], max_seconds_behind=600)
    del made["secret"]
    world.now += timedelta(seconds=1)
    change = {"name": "other", "jobs": None, "events": ["run.failed"], "enabled": False, "max_seconds_behind": None}
    answer = client.patch("/v1/webhooks/wh_1", json=change)
    assert answer.json() == made | change | {"updated_at": "2026-01-01T12:00:01Z"}
    assert client.patch("/v1/webhooks/wh_1", json={}).json() == answer.json()
    assert set(faults(client.patch("/v1/webhooks/wh_1", json={"name": None, "secret": GIVEN}))) == {"name", "secret"}


def test_lists_come_in_pages(client: TestClient, receiver: Receiver) -> None:
    for number in range(3):
        add(client, receiver, name=f"w{number}")
    first = client.get("/v1/webhooks", params={"limit": 2})
    assert [entry["id"] for entry in first.json()["data"]] == ["wh_1", "wh_2"]
    second = client.get(first.links["next"]["url"]).json()
    assert ([entry["id"] for entry in second["data"]], second["has_more"]) == (["wh_3"], False)
    pings = [client.post("/v1/webhooks/wh_1/ping").json()["id"] for _ in range(3)]
    page = client.get("/v1/webhooks/wh_1/deliveries", params={"limit": 2})
    assert [entry["id"] for entry in page.json()["data"]] == [pings[2], pings[1]]
    rest = client.get(page.links["next"]["url"]).json()
    assert ([entry["id"] for entry in rest["data"]], rest["next_cursor"]) == ([pings[0]], None)
    assert faults(client.get("/v1/webhooks", params={"cursor": page.json()["next_cursor"]}))


def test_a_ping_tells_its_result(client: TestClient, receiver: Receiver) -> None:
    made = add(client, receiver)
    good = client.post("/v1/webhooks/wh_1/ping").json()
    assert (good["status"], good["last_status"], good["event"]) == ("delivered", 200, "ping")
    assert receiver.received[0].is_signed_with(made["secret"])
    assert receiver.received[0].body.decode() == good["body"]
    receiver.answers = [(500, {})]
    bad = client.post("/v1/webhooks/wh_1/ping").json()
    assert (bad["status"], bad["last_error"]) == ("failed", "the receiver answered 500")


def test_a_new_secret_is_told_once_and_the_old_one_signs_too(
    client: TestClient, world: World, receiver: Receiver
) -> None:
    old = add(client, receiver)["secret"]
    answer = client.post("/v1/webhooks/wh_1/rotate-secret").json()
    assert answer["former_secret_until"] == "2026-01-02T12:00:00Z"
    client.post("/v1/webhooks/wh_1/ping")
    world.now += timedelta(hours=25)
    client.post("/v1/webhooks/wh_1/ping")
    signed = [[message.is_signed_with(secret) for secret in (old, answer["secret"])] for message in receiver.received]
    assert signed == [[True, True], [False, True]]
    assert "secret" not in client.get("/v1/webhooks/wh_1").json()


def test_a_delivery_is_shown_and_sent_again(
    client: TestClient, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    add(client, receiver, events=["run.completed"])
    run = world.run(world.job("orders"))
    deliverer.start()
    until(lambda: world.state.deliveries.list(1) and world.state.deliveries.get(1, 1).delivered_at)
    [shown] = client.get("/v1/webhooks/wh_1/deliveries").json()["data"]
    assert (shown["event"], shown["job_id"], shown["run_id"]) == ("run.completed", "job_1", run.id)
    assert (shown["status"], shown["attempts"], shown["last_status"]) == ("delivered", 1, 200)
    answer = client.post("/v1/webhooks/wh_1/deliveries/whd_1/redeliver")
    assert (answer.status_code, answer.json()["id"]) == (202, "whd_1")
    until(lambda: world.state.deliveries.get(1, 1).status is DeliveryStatus.DELIVERED)
    deliverer.stop(20)
    assert receiver.ids == ["whd_1", "whd_1"]
    client.patch("/v1/webhooks/wh_1", json={"enabled": False})
    assert client.post("/v1/webhooks/wh_1/deliveries/whd_1/redeliver").status_code == 409


def test_a_webhook_that_was_removed_is_gone(client: TestClient, receiver: Receiver) -> None:
    add(client, receiver)
    client.post("/v1/webhooks/wh_1/ping")
    answer = client.delete("/v1/webhooks/wh_1")
    assert (answer.status_code, answer.content) == (204, b"")
    add(client, receiver)
    assert [entry["id"] for entry in client.get("/v1/webhooks").json()["data"]] == ["wh_2"]


@pytest.mark.parametrize("webhook", ["wh_9", "wh_0", "9", "one", "wh_99999999999999999999", "job_1"])
def test_what_is_not_there_is_not_found(client: TestClient, receiver: Receiver, webhook: str) -> None:
    add(client, receiver)
    path = f"/v1/webhooks/{webhook}"
    answers = [
        client.get(path),
        client.patch(path, json={"url": "nonsense"}),
        client.delete(path),
        client.post(f"{path}/ping"),
        client.post(f"{path}/rotate-secret"),
        client.get(f"{path}/deliveries"),
        client.post(f"{path}/deliveries/whd_1/redeliver"),
        client.post("/v1/webhooks/wh_1/deliveries/whd_1/redeliver"),
        client.post("/v1/webhooks/wh_1/deliveries/1/redeliver"),
    ]
    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize(
    ("scopes", "limits", "status"),
    [
        ({Scope.ADMIN}, {}, 200),
        (set(Scope) - {Scope.ADMIN}, {}, 403),
        (set(), {}, 403),
        ({Scope.ADMIN}, {"jobs": ["orders"]}, 403),
        ({Scope.ADMIN}, {"databases": ["shop"]}, 403),
        ({Scope.ADMIN}, {"knowledge_bases": []}, 403),
    ],
)
def test_webhooks_belong_to_those_who_may_do_everything(
    client: TestClient, world: World, receiver: Receiver, scopes: set[Scope], limits: dict[str, Any], status: int
) -> None:
    """A webhook can be told of every job, so rights over some jobs are not enough."""
    add(client, receiver)

    _, secret = world.state.tokens.create("asking", scopes, world.now, **limits)
    client.headers["Authorization"] = f"Bearer {secret}"
    assert client.get("/v1/webhooks").status_code == status
    if status == 403:
        answers = [
            client.post("/v1/webhooks", json={}),
            client.get("/v1/webhooks/wh_1"),
            client.patch("/v1/webhooks/wh_1", json={}),
            client.delete("/v1/webhooks/wh_1"),
            client.post("/v1/webhooks/wh_1/ping"),
            client.post("/v1/webhooks/wh_1/rotate-secret"),
            client.get("/v1/webhooks/wh_1/deliveries"),
            client.post("/v1/webhooks/wh_1/deliveries/whd_1/redeliver"),
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert receiver.received == []


def test_the_document_says_what_may_be_sent(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/v1/webhooks"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["name", "url"]
    assert "freshness.breached" in body["properties"]["events"]["items"]["enum"]
    assert "422" in operation["responses"]
    assert "secret" not in document["components"]["schemas"]["WebhookView"]["properties"]
    change = document["paths"]["/v1/webhooks/{webhook}"]["patch"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert "default" not in change["properties"]["url"]
