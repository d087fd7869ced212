"""Every answer has the same form, and none of them tells what it should not."""

from __future__ import annotations

import json
import logging
import re
import threading
from functools import reduce

import httpx
import pytest

from syncd.errors import ConfigError, Fault, SyncdError, TransientError, Unavailable
from syncd.model.run import RunStatus

from .conftest import World

SEARCH = "/v1/knowledge-bases/orders_kb/search"
CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", "/docs/nothing", 404, "NOT_FOUND"),
        ("GET", "/redoc", 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/", 404, "NOT_FOUND"),
        ("GET", "/v1/jobs/a/b", 404, "NOT_FOUND"),
        ("PUT", "/v1/jobs", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/v1/jobs/orders", 405, "METHOD_NOT_ALLOWED"),
        ("GET", SEARCH, 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/v1/runs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/runs?limit=0", 422, "INVALID_REQUEST"),
        ("POST", SEARCH, 422, "INVALID_REQUEST"),
    ],
)
def test_an_error_has_a_code_a_message_details_and_the_request_s_id(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert body["request_id"] == answer.headers["X-Request-Id"]
    if status == 405:
        assert answer.headers["Allow"]


def test_every_parameter_that_is_wrong_is_listed(client: httpx.Client) -> None:
    answer = client.get("/v1/runs?limit=101&status=done&trigger=x&cursor=zzz&stauts=failed")
    assert answer.status_code == 422
    details = {detail["field"]: detail["message"] for detail in answer.json()["error"]["details"]}
    assert details == {
        "limit": "must be at most 100",
        "status": "must be one of delayed, queued, waiting, running, canceling, completed, completed_with_warnings, "
        "failed, timed_out, crashed, canceled, expired or skipped",
        "trigger": details["trigger"],
        "cursor": "must be a next_cursor that this list gave",
        "stauts": "is not known here",
    }
    assert re.fullmatch(r"must be one of schedule, manual.*", details["trigger"])


@pytest.mark.parametrize(
    "cursor",
    ["", "!", "cnVuczo=", "am9iczox", "cnVuczotMQ", "cnVuczoxLjU", "ü", "cnVuczo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"],
)
def test_a_cursor_of_another_list_or_of_nobody_is_refused(client: httpx.Client, cursor: str) -> None:
    """Among them: nothing, no base64, no number, a cursor of jobs, a negative number, a fraction, a huge number."""
    answer = client.get("/v1/runs", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "INVALID_REQUEST")


def test_every_answer_carries_the_headers_that_keep_browsers_away(client: httpx.Client, world: World) -> None:
    world.index.error = RuntimeError("boom")
    for method, path in [("GET", "/v1/jobs"), ("GET", "/nothing"), ("GET", "/metrics"), ("POST", SEARCH)]:
        headers = client.request(method, path, json={"query": "x"}).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Server" not in headers
        assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_a_request_keeps_the_id_that_it_was_given_if_that_is_a_plain_one(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "trace-42"}).headers["X-Request-Id"] == "trace-42"
    odd = ["", "a b", "x" * 65, "<script>"]
    given = [client.get("/healthz", headers={"X-Request-Id": id_}).headers["X-Request-Id"] for id_ in odd]
    assert all(re.fullmatch(r"[0-9a-f]{32}", id_) for id_ in given)
    assert len(set(given)) == len(odd)


def test_an_unknown_error_is_logged_once_and_told_to_nobody(
    client: httpx.Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.index.error = RuntimeError(f"unexpected {CANARY}")
    with caplog.at_level(logging.INFO):
        answer = client.post(SEARCH, json={"query": "x"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "INTERNAL"
    assert CANARY not in answer.text
    assert "Traceback" not in answer.text
    [line] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert answer.json()["request_id"] in line.getMessage()
    assert line.exc_info is not None
    assert client.get("/healthz").status_code == 200


def test_an_error_of_syncd_that_has_no_status_of_its_own_is_a_500_that_says_what_happened(
    client: httpx.Client, world: World
) -> None:
    class Odd(SyncdError):
        code = "ODD"

    world.index.error = Odd("something odd", "look into it")
    answer = client.post(SEARCH, json={"query": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "ODD")


def test_faults_of_a_configuration_are_told_one_by_one(client: httpx.Client, world: World) -> None:
    world.index.error = ConfigError([Fault("syncd.yaml:3", "no such type"), Fault("syncd.yaml:9", "no such key")])
    answer = client.post(SEARCH, json={"query": "x"})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"] == [
        {"field": "syncd.yaml:3", "message": "no such type"},
        {"field": "syncd.yaml:9", "message": "no such key"},
    ]


def test_a_password_in_a_reason_or_an_error_is_never_told(client: httpx.Client, world: World) -> None:
    secret = f"postgresql://reader:{CANARY}@db/crm does not answer"
    job = world.job()
    world.run(job, status=RunStatus.FAILED, error=secret)
    world.state.jobs.block(job.id, secret, world.now)
    world.index.error = TransientError(secret, f"try password={CANARY}")
    world.reasons = [secret]
    told = [
        client.get(path)
        for path in (
            "/v1/jobs",
            "/v1/jobs/orders",
            "/v1/runs",
            "/v1/runs/run_1",
            "/readyz",
            "/metrics",
            "/openapi.json",
        )
    ]
    told.append(client.post(SEARCH, json={"query": CANARY.replace("canary", "x")}))
    world.index.error = ConfigError([Fault("here", secret)])
    told.append(client.post(SEARCH, json={"query": "x"}))
    for answer in told:
        assert CANARY not in answer.text, answer.url
    assert "postgresql://reader:***@db/crm does not answer" in told[0].text


def test_a_validation_error_does_not_repeat_what_was_sent(client: httpx.Client) -> None:
    answer = client.post(SEARCH, json={"query": "x", "where": {"a": [CANARY]}, "k": CANARY})
    assert answer.status_code == 422
    assert CANARY not in answer.text


def test_liveness_does_not_depend_on_anything_else(client: httpx.Client, world: World) -> None:
    world.unready = Unavailable("the state cannot be used")
    world.state.close()
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readiness_says_every_reason_why_not(client: httpx.Client, world: World) -> None:
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ready"})
    world.reasons = ["the state does not answer", "orders_kb is being rebuilt"]
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert [detail["message"] for detail in answer.json()["error"]["details"]] == world.reasons
    world.unready = Unavailable("the disk is full")
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["error"]["code"]) == (503, "UNAVAILABLE")


def test_a_search_that_takes_long_holds_nobody_up(client: httpx.Client, world: World) -> None:
    """The event loop never waits for the model, for the store or for the state."""
    entered, let_go = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        assert let_go.wait(60)

    world.index.wait = wait
    with httpx.Client(base_url=client.base_url, trust_env=False, timeout=60) as other:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(other.post(SEARCH, json={"query": "x"})))
        thread.start()
        try:
            assert entered.wait(60)
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/jobs").status_code == 200
        finally:
            let_go.set()
            thread.join()
    assert [answer.status_code for answer in answers] == [200]


def test_the_description_names_every_route_and_the_form_of_its_errors(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    assert len(described["paths"]) > 20
    # The words of other systems have forms of their own.
    native = [methods for path, methods in described["paths"].items() if path.startswith(("/v1", "/jobs/create"))]
    for methods in native:
        for operation in methods.values():
            answers = operation["responses"]
            assert {"403", "413", "500"} < set(answers)
            assert not [status for status in answers if "X" in status]
            for status, answer in answers.items():
                assert answer["headers"]["X-Request-Id"]
                assert status < "4" or answer["content"]["application/json"]["schema"]["$ref"]
    for name in set(re.findall(r'"#/([^"]+)"', json.dumps(described))):
        assert reduce(lambda place, step: place[step], name.split("/"), described), name
    parameters = {entry["name"]: entry for entry in described["paths"]["/v1/jobs"]["get"]["parameters"]}
    assert set(parameters) == {"limit", "status", "name", "tag", "kb_name", "source_table", "project_id", "cursor"}
