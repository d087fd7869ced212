"""The requests that callers of `POST /jobs/create` have written down run as they stand, but for the dates and the address."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.daemon import Serving, serving
from tests.docs.pages import ROOT
from tests.waiting import until
from tests.world import World, now

PAGE = Path(__file__).parent / "requests" / "create_job.md"
REQUESTS = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
PROGRAMS = {
    "bash": ("bash", "-c"),
    "python": (sys.executable, "-c"),
    "javascript": ("node", "--input-type=module", "--eval"),
}


@pytest.fixture
def daemon(tmp_path: Path, sqlite_url: str) -> Iterator[Serving]:
    """A daemon with that table and that knowledge base."""
    world = World.make(tmp_path, sqlite_url)
    world.rewrite(("  db: ", f"  orders_db: {sqlite_url}\n  db: "), ("kb_name: kb_one", "kb_name: orders_kb"))
    world.rewrite(("  kb_one:", "  orders_kb:"))
    world.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT, description TEXT, created_at TIMESTAMP)",
        f"INSERT INTO orders VALUES (1, 'tea', 'hot and sharp', '{now():%Y-%m-%d %H:%M:%S}')",
    )
    with serving(world) as running:
        yield running


@pytest.mark.parametrize("language", sorted(PROGRAMS))
def test_the_request_makes_a_job_that_syncs(daemon: Serving, language: str) -> None:
    program = PROGRAMS[language]
    assert shutil.which(program[0]), f"{program[0]} is needed to run the {language} request"
    start, end = now() - timedelta(minutes=5), now() + timedelta(days=1)
    text = REQUESTS[language].replace("http://127.0.0.1:8000", str(daemon.client.base_url).rstrip("/"))
    text = text.replace("2025-06-19T18:00:00", f"{start:%Y-%m-%dT%H:%M:%S}")
    text = text.replace("2025-06-20T18:00:00", f"{end:%Y-%m-%dT%H:%M:%S}")
    ended = subprocess.run([*program, text], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert "Job created successfully" in ended.stdout
    job = daemon.client.get("/v1/jobs/sync_orders").json()
    assert (job["origin"], job["interval"]) == ("api", "10 MINUTES")

    def done() -> dict[str, object] | None:
        last: dict[str, object] | None = daemon.client.get("/v1/jobs/sync_orders").json()["last_run"]
        return last

    last = until(done, what="the job did not run by itself")
    assert last is not None
    assert (last["status"], last["embedded"]) == ("completed", 1)


def test_every_language_is_there() -> None:
    assert set(REQUESTS) == set(PROGRAMS)
