"""What the client makes of servers that are busy, broken, somebody else, or not there."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import get_type_hints

import pytest

from syncd.api import job_views, run_views, schemas, shelves
from syncd.api.routes import tokens as token_routes
from syncd.client import ApiError, Client, Invalid, Unauthorized, Unreachable, job_values, knowledge_bases, run_values
from syncd.client import tokens as token_values
from syncd.client.connection import ATTEMPTS, Connection
from syncd.model.job import JobDefinition

from .conftest import Answer, Told

BUSY = Answer(503, headers={"Retry-After": "0"})
JOB = Answer(200, json.dumps({"name": "a job", "of_a_newer_daemon": {"x": 1}}))
RUN = Answer(201, json.dumps({"id": "run_1"}))


@pytest.fixture
def waits() -> list[float]:
    """How long the connection waited before it asked again."""
    return []


@pytest.fixture
def connection(told: Told, waits: list[float]) -> Connection:
    """A connection that writes down how long it would wait."""
    return Connection(told.url, None, 5, waits.append)


def test_a_busy_daemon_is_asked_again(told: Told) -> None:
    told.answers = [BUSY, BUSY, JOB]
    with Client(told.url) as syncd:
        job = syncd.jobs.get("a job")
    assert job["name"] == "a job"
    assert told.asked == ["GET /v1/jobs/a%20job"] * 3


def test_a_trigger_with_a_key_is_repeated_and_one_without_is_not(told: Told) -> None:
    with Client(told.url) as syncd:
        told.answers = [BUSY, Answer(429, headers={"Retry-After": "0"}), RUN]
        assert syncd.jobs.trigger("a", idempotency_key="k")["id"] == "run_1"
        assert [headers["idempotency-key"] for headers in told.headers] == ["k", "k", "k"]
        told.answers = [BUSY, RUN]
        with pytest.raises(ApiError, match="later") as caught:
            syncd.jobs.trigger("a")
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (503, "BUSY", "r-1")
    assert len(told.asked) == 4


def test_changes_are_never_repeated(told: Told) -> None:
    told.answers = [BUSY]
    with Client(told.url) as syncd:
        for change in (syncd.jobs.pause, syncd.jobs.delete, syncd.jobs.reset_watermark, syncd.runs.cancel):
            with pytest.raises(ApiError):
                change("x")
    assert len(told.asked) == 4


def test_a_daemon_that_stays_busy_is_given_up(told: Told, connection: Connection, waits: list[float]) -> None:
    told.answers = [Answer(503)]
    with pytest.raises(ApiError):
        connection.get("/v1/jobs")
    assert len(told.asked) == ATTEMPTS
    assert waits == sorted(waits)
    assert 0 < sum(waits) < 10


def test_it_waits_as_long_as_it_is_asked_to_but_not_for_minutes(
    told: Told, connection: Connection, waits: list[float]
) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    told.answers = [Answer(429, headers={"Retry-After": "7"}), Answer(503, headers={"Retry-After": soon}), JOB]
    assert connection.get("/v1/jobs/a")["name"] == "a job"
    assert waits[0] == 7
    assert 2 < waits[1] <= 4
    told.answers = [Answer(503, headers={"Retry-After": "600"}), JOB]
    with pytest.raises(ApiError):
        connection.get("/v1/jobs/a")
    assert len(waits) == 2


def test_somebody_else_at_the_address_is_told_as_such(told: Told) -> None:
    with Client(told.url) as syncd:
        for answer in (
            Answer(200, "<html>"),
            Answer(404, "<html>"),
            Answer(302, "", {"Location": "/"}),
            Answer(500, "[]"),
        ):
            told.answers = [answer]
            with pytest.raises(ApiError, match="is no syncd") as caught:
                syncd.jobs.get("a")
            assert (caught.value.status, caught.value.code) == (answer.status, "NOT_SYNCD")


def test_a_stream_that_says_nothing_is_not_asked_for_for_ever(told: Told) -> None:
    told.answers = [Answer(200, ": still going on\n\n")]
    with Client(told.url) as syncd, pytest.raises(Unreachable, match="tells nothing of run_1"):
        list(syncd.runs.events("run_1"))


def test_a_stream_that_breaks_off_is_taken_up_again(told: Told) -> None:
    first = 'event: run\ndata: {"id": "run_1", "progress": 0.5}\n\n'
    last = 'event: run\ndata: {"id": "run_1", "progress": 1.0}\n\nevent: end\ndata: {"id": "run_1"}\n\n'
    told.answers = [Answer(200, first), Answer(200, first + last)]
    with Client(told.url) as syncd:
        assert [run["progress"] for run in syncd.runs.events("run_1")] == [0.5, 1.0]


def test_an_address_where_nothing_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with Client(url) as syncd, pytest.raises(Unreachable, match=url):
        syncd.jobs.get("a")


def test_a_server_that_does_not_answer_in_time_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout=0.05) as syncd, pytest.raises(Unreachable, match=f"{url} did not answer in time"):
            syncd.jobs.get("a")


def test_no_proxy_stands_between_a_program_and_its_own_machine(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    told.answers = [JOB]
    for url in (told.url, told.url.replace("127.0.0.1", "localhost")):
        with Client(url) as syncd:
            assert syncd.jobs.get("a")["name"] == "a job"
    with Client("http://syncd.invalid:8000") as syncd, pytest.raises(Unreachable, match="Connection refused"):
        syncd.jobs.get("a")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "", "ftp://127.0.0.1", "http://", "http://u:p@host", "http://host?x=1", "http://h:99999"]
)
def test_what_can_be_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        Client(url)
    assert "u:p" not in str(caught.value)


def test_a_token_is_never_shown(told: Told) -> None:
    with pytest.raises(ValueError, match="this is no token") as caught:
        Client(told.url, "syncd_1_se cret")
    assert "cret" not in str(caught.value)
    told.answers = [Answer(401)]
    with Client(told.url, "syncd_1_secret") as syncd:
        with pytest.raises(Unauthorized) as refused:
            syncd.jobs.get("a")
        assert "secret" not in f"{refused.value!r} {refused.value} {syncd!r} {vars(syncd)}"
    assert told.headers[0]["authorization"] == "Bearer syncd_1_secret"


def test_what_cannot_be_sent_is_said(told: Told) -> None:
    told.answers = [
        Answer(
            422, '{"error": {"code": "INVALID_REQUEST", "message": "m", "details": [{"field": null, "message": "d"}]}}'
        )
    ]
    with Client(told.url) as syncd:
        with pytest.raises(TypeError, match="a object cannot be sent"):
            syncd.jobs.trigger("a", tags={"x": object()})  # type: ignore[dict-item]
        with pytest.raises(Invalid) as caught:
            syncd.jobs.trigger("a")
    assert [(fault.where, fault.message) for fault in caught.value.details] == [("", "d")]


PAIRS = [
    (job_values.Job, job_views.JobView),
    (job_values.JobVersion, job_views.VersionView),
    (job_values.JobHealth, job_views.HealthView),
    (job_values.BatchResult, job_views.BatchResult),
    (job_values.Refusal, schemas.Fault),
    (job_values.Dependency, job_views.DependencyView),
    (job_values.Watermark, job_views.WatermarkView),
    (job_values.NewJob, job_views.NewJob),
    (job_values.JobChanges, JobDefinition),
    (job_values.LastRun, run_views.LastRun),
    (run_values.Run, run_views.RunView),
    (run_values.TriggeredRun, run_views.TriggeredRun),
    (run_values.RunRequest, run_views.TriggerRequest),
    (run_values.BulkTriggered, run_views.BulkTriggered),
    (run_values.Output, run_views.Output),
    (run_values.LogLine, run_views.LogLine),
    (knowledge_bases.Match, schemas.MatchView),
    (knowledge_bases.KnowledgeBase, shelves.KnowledgeBaseView),
    (token_values.Token, token_routes.TokenView),
    (token_values.IssuedToken, token_routes.IssuedToken),
]


@pytest.mark.parametrize(("value", "view"), PAIRS, ids=lambda kind: str(kind.__name__))
def test_an_editor_knows_every_field_of_the_api(value: type, view: type) -> None:
    fields = view.model_fields  # type: ignore[attr-defined]  # a pydantic model
    assert set(get_type_hints(value)) == set(fields)


def test_the_client_loads_no_library_of_the_daemon() -> None:
    heavy = ("sqlalchemy", "chromadb", "fastapi", "pydantic", "pandas", "numpy", "torch")
    program = f"import sys, syncd.client; syncd.client.Client('http://127.0.0.1:1'); print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
