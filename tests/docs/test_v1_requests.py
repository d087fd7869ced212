"""The `/v1` requests that callers of such services have written down, sent as they stand but for the address."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Serving, serving
from tests.waiting import until
from tests.world import World

PAGE = Path(__file__).parent / "requests" / "jobs_v1.md"
# 422: a job that names no table, a clone that names no knowledge base, an empty dependency. 404: ids that nothing has.
EXPECTED = {
    "GET /v1/jobs?project_id=string": 200,
    "POST /v1/jobs": 422,
    "POST /v1/jobs/batch": 422,
    "POST /v1/jobs/batch-enable": 200,
    "POST /v1/jobs/batch-disable": 200,
    "GET /v1/jobs/string": 200,
    "PATCH /v1/jobs/string": 200,
    "POST /v1/jobs/string/trigger": 201,
    "POST /v1/jobs/string/trigger/bulk": 200,
    "GET /v1/jobs/string/versions": 200,
    "POST /v1/jobs/string/clone": 422,
    "GET /v1/jobs/string/health": 200,
    "GET /v1/jobs/string/dependencies": 200,
    "POST /v1/jobs/string/dependencies": 422,
    "DELETE /v1/jobs/string/dependencies/string": 404,
    "GET /v1/jobs/string/versions/string": 404,
    "DELETE /v1/jobs/string": 204,
}


@pytest.fixture
def daemon(tmp_path: Path, sqlite_url: str) -> Iterator[Serving]:
    """A daemon with a job of the name that all of them use."""
    world = World.make(tmp_path, sqlite_url)
    world.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)")
    with serving(world) as running:
        new = {
            "name": "string", "source_table": "db.notes", "kb_name": "kb_one", "content_columns": ["body"],
            "filter_column": "f", "interval": "1 DAY", "start_time": "2100-01-01T00:00:00",
        }  # fmt: skip
        assert running.client.post("/v1/jobs", json=new).status_code == 201
        yield running


def test_each_request_gets_its_answer(daemon: Serving) -> None:
    address = str(daemon.client.base_url).rstrip("/")
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("curl")]
    # The job goes last.
    lines.sort(key=lambda line: line.endswith('DELETE "http://localhost:8080/v1/jobs/string"'))
    answers = {}
    for line in lines:
        words = shlex.split(line.replace("http://localhost:8080", address))
        if line is lines[-1]:
            until(lambda: not daemon.state.runs.live(daemon.state.jobs.get("string").id))
        told = subprocess.run([*words, "-s", "-o", "/dev/null", "-w", "%{http_code}"], capture_output=True, check=True)
        answers[f"{words[2]} {words[3].removeprefix(address)}"] = int(told.stdout)
    assert answers == EXPECTED
