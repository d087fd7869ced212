"""A password is in the configuration and nowhere else (invariant 10)."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import sqlalchemy as sa

from syncd.model.run import RunStatus
from syncd.state import State
from tests.daemon import process
from tests.waiting import until
from tests.world import World

CANARY = "canary-7Qx-do-not-tell"
MORE = f"""
  down: postgresql://reader:{CANARY}@127.0.0.1:1/x?sslpassword={CANARY}
  refused: mysql+pymysql://reader:{CANARY}@127.0.0.1:1/x
  open: {{}}
knowledge_bases:"""
JOBS = """
  far: {source_table: down.t, kb_name: kb_one, content_columns: [b], filter_column: f, interval: 1 DAY, max_attempts: 1}
  away: {source_table: refused.t, kb_name: kb_one, content_columns: [b], filter_column: f, interval: 1 DAY, max_attempts: 1}
  odd: {source_table: open.t, kb_name: kb_one, content_columns: [b], filter_column: f, interval: 1 DAY, max_attempts: 1}
server:"""


def with_password(url: str) -> str:
    """The URL of a server that asks for none, with one all the same."""
    return sa.make_url(url).set(password=CANARY).render_as_string(hide_password=False)


def test_a_password_reaches_no_log_answer_metric_or_file(tmp_path: Path, sqlite_url: str, postgres_url: str) -> None:
    """The configuration's own file aside."""
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 10)
    reachable = f"  open: {with_password(postgres_url)}"
    world.rewrite(("\nknowledge_bases:", MORE.replace("  open: {}", reachable)), ("\nserver:", JOBS))
    state = State.open(world.state_url)
    with process(world) as daemon:
        until(
            lambda: len(state.runs.list(status=RunStatus.FAILED)) == 3 and state.runs.list(status=RunStatus.COMPLETED)
        )
        told = [daemon.text, world.run("status", "--json").stdout, world.run("check").stdout]
        with httpx.Client(base_url=daemon.url, trust_env=False, timeout=20) as client:
            pages = ("/v1/jobs", "/v1/runs", "/metrics", "/readyz", "/v1/jobs/far", "/v1/jobs/nothing")
            told += [client.get(page).text for page in pages]
        daemon.send(signal.SIGTERM)
        assert daemon.end() == 0
        told.append(daemon.text)
    state.close()
    assert all(told)
    assert [text for text in told if CANARY in text] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != world.config]
    assert {"state.db", "kb.lock"} <= {path.name for path in files}
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
