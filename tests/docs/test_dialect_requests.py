"""The example requests of two other systems' documentation, as they stand there, run a real job of a real daemon."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from syncd.model.access import Scope
from tests.daemon import Serving, serving, wait_for_heartbeats
from tests.engine import Gate
from tests.waiting import until
from tests.world import World, now

REQUESTS = Path(__file__).parent / "requests"
JOB = """    tags: {keboola: keboola.ex-db-snowflake/493493, integrate_io: "103"}
    start_time: 2999-01-01T00:00:00
"""
VARIABLES = """    filters:
      - {column: tag, op: eq, variable: MY_STATIC_VAR}
"""
ROWS = 250


def examples(name: str, language: str) -> list[str]:
    """Return the examples of a document in a language."""
    text = (REQUESTS / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def curl(command: str, host: str, token: str) -> httpx.Request:
    """Return the request that a command line makes, after putting another host and token into it."""
    for theirs, ours in (("https://queue.keboola.com", host), ("YOUR_TOKEN_HERE", token), ("YOUR_TOKEN", token)):
        command = command.replace(theirs, ours)
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "curl"
    method, url, body, headers = "GET", "", "", {}
    rest = iter(words)
    for word in rest:
        match word:
            case "-X" | "--request":
                method = next(rest)
            case "-H" | "--header":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            case "-d" | "--data-raw":
                body = next(rest)
            case "--location":
                pass
            case _:
                url = word
    return httpx.Request(method, url, headers=headers, content=body)


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    """A job that the documents' own names stand for, and that runs only when it is asked to."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("server: {port: 0}", f"{JOB}server: {{port: 0}}"))
    world.fill(1, ROWS)
    return world


@pytest.fixture
def daemon(world: World) -> Iterator[Serving]:
    """A daemon with that job."""
    with serving(world) as daemon:
        yield daemon


def token(daemon: Serving, name: str = "theirs") -> str:
    """Make a token that may run jobs and see and stop runs, and return its secret."""
    scopes = [Scope.JOBS_TRIGGER, Scope.RUNS_READ, Scope.RUNS_WRITE]
    return daemon.state.tokens.create(name, scopes, now())[1]


def keboolas_end(daemon: Serving, secret: str, job: str) -> dict[str, Any]:
    """Ask for a job until it has ended, as Keboola's own client does."""

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = daemon.client.get(f"/jobs/{job}", headers={"X-StorageApi-Token": secret}).json()
        return found if found["isFinished"] else None

    found = until(ended)
    assert found is not None
    return found


def test_keboolas_examples_run_the_job(daemon: Serving, world: World) -> None:
    """Both commands, with only host and token changed: the job runs to its end, and the rows are found."""
    commands = examples("keboola_run_job", "bash")
    [body] = examples("keboola_run_job", "json")
    secret = token(daemon)
    assert len(commands) == 2
    ids = []
    for command in commands:
        request = curl(command, str(daemon.client.base_url), secret)
        assert json.loads(request.content) == json.loads(body)
        answer = daemon.client.send(request)
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
        job = keboolas_end(daemon, secret, ids[-1])
        assert (job["status"], job["component"], job["config"]) == ("success", "keboola.ex-db-snowflake", "493493")
        assert job["result"]["message"].split(" ", 1)[1].startswith("rows read")
    listed = daemon.client.get("/search/jobs?config=493493&limit=2", headers={"X-StorageApi-Token": secret}).json()
    assert [job["id"] for job in listed] == ids[::-1]
    world.assert_in_step()


def test_keboolas_documented_errors(daemon: Serving) -> None:
    [command, _] = examples("keboola_run_job", "bash")
    secret, host = token(daemon), str(daemon.client.base_url)
    for changed, status, message in [
        (command.replace("YOUR_TOKEN_HERE", "YOUR_OTHER_ONE"), 401, "Invalid access token"),
        (command.replace("ex-db-snowflake", "ex-db-mysql"), 404, "Component not found"),
        (command.replace("493493", "493494"), 404, "Configuration not found"),
    ]:
        answer = daemon.client.send(curl(changed, host, secret))
        assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, status, "error")
        assert answer.json()["error"].startswith(message)


def integrate_io(host: str, path: str, method: str, secret: str, body: object = None) -> httpx.Request:
    """Return a request to the documented server, after putting another host and token into it."""
    [accept] = re.findall(r"^Accept: (.*)$", "".join(examples("integrate_io_run_job", "")), re.MULTILINE)
    [server] = _yaml(0)["servers"]
    url = server["url"].replace("https://api.xplenty.com", host)
    url = url.replace("{account_id}", server["variables"]["account_id"]["default"])
    auth = httpx.BasicAuth(secret, "")
    request = httpx.Request(method, f"{url}/{path}", headers={"Accept": accept}, json=body)
    return next(auth.auth_flow(request))


def _yaml(number: int) -> Any:
    return YAML(typ="safe", pure=True).load(examples("integrate_io_run_job", "yaml")[number])


def test_integrate_ios_example_runs_the_job(daemon: Serving, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Its body as it stands: the unknown variables are told again, and the rows are found."""
    caplog.set_level(logging.INFO)
    secret, host = token(daemon), str(daemon.client.base_url)
    body = _yaml(1)["example"]

    def ask(method: str, path: str, body: object = None) -> httpx.Response:
        return daemon.client.send(integrate_io(host, path, method, secret, body))

    answer = ask("POST", "jobs", body)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert {name: job[name] for name in body} == body
    path = f"jobs/{job['id']}"

    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = ask("GET", path).json()
        return found if found["status"] in {"completed", "failed", "stopped"} else None

    job = until(ended)
    assert job is not None
    assert (job["status"], job["progress"], job["errors"]) == ("completed", 1, "")
    assert {name: job[name] for name in body} == body
    assert "run completed" in until(lambda: ask("GET", f"{path}/log").json()["body"])
    variables = ask("GET", f"{path}/variables").json()["variables"]
    assert variables.keys() == {"MY_STATIC_VAR", "current_time"}
    assert [found["id"] for found in ask("GET", "jobs?limit=1").json()] == [job["id"]]
    world.assert_in_step()
    assert ask("DELETE", path).status_code == 422
    assert ask("POST", "jobs", {**body, "package_id": 104}).status_code == 422
    assert ask("POST", "jobs", {"package_id": 103}).status_code == 422
    assert ask("GET", "jobs/999").json() == {"message": "Item not found."}


def test_a_variable_of_the_job_is_bound(world: World) -> None:
    """A run with the example's variable reads only the rows that meet it."""
    world.rewrite(("server: {port: 0}", f"{VARIABLES}server: {{port: 0}}"))
    world.execute("UPDATE t SET tag = 'some static' WHERE id = 7")
    body = _yaml(1)["example"]
    body["variables"]["MY_STATIC_VAR"] = "some static"
    with serving(world) as daemon:
        secret, host = token(daemon), str(daemon.client.base_url)
        job = daemon.client.send(integrate_io(host, "jobs", "POST", secret, body)).json()
        ended = keboolas_end(daemon, secret, str(job["id"]))
        assert (ended["status"], ended["result"]["embedded"]) == ("success", 1)


def test_a_job_is_stopped_while_it_goes_on(world: World) -> None:
    """Through either dialect; what had been written is kept, and both say that it ended early."""
    for dialect in ("keboola", "integrate_io"):
        gate = Gate()
        world.execute(f"UPDATE t SET body = body || ' {dialect}', f = f + 2000")
        with serving(world, lease_seconds=3, committed=gate) as daemon:
            secret, host = token(daemon, dialect), str(daemon.client.base_url)
            number = daemon.client.send(curl(examples("keboola_run_job", "bash")[0], host, secret)).json()["id"]
            assert gate.reached.wait(60)
            if dialect == "keboola":
                answer = daemon.client.post(f"/jobs/{number}/kill", headers={"X-StorageApi-Token": secret})
                assert (answer.status_code, answer.json()["status"]) == (202, "terminating")
            else:
                answer = daemon.client.send(integrate_io(host, f"jobs/{number}", "DELETE", secret))
                assert (answer.status_code, answer.json()["status"]) == (200, "pending_stoppage")
            wait_for_heartbeats(world, 2)
            gate.open()
            job = keboolas_end(daemon, secret, number)
            assert (job["status"], job["result"]["embedded"]) == ("terminated", 100)
            stopped = daemon.client.send(integrate_io(host, f"jobs/{number}", "GET", secret)).json()
            assert (stopped["status"], stopped["outputs"][0]["records_count"]) == ("stopped", 100)
