"""Changes of the configuration while the daemon runs, and faults that it starts and lives with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncd.model.job import Job, JobStatus
from syncd.model.run import RunStatus, Trigger
from tests.daemon import Serving, serving, wait_for_heartbeats
from tests.engine import Gate
from tests.tables import execute
from tests.waiting import until
from tests.world import World, now

OTHER = """
  other:
    source_table: more.u
    kb_name: kb_two
    content_columns: [body]
    filter_column: id
    interval: 1 DAY
server:"""
BROKEN = """
  broken: {source_table: db.nowhere, kb_name: kb_one, content_columns: [body], filter_column: f, interval: 1 DAY}
  far: {source_table: down.t, kb_name: kb_one, content_columns: [body], filter_column: f, interval: 1 DAY}
server:"""


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> World:
    made = World.make(tmp_path, sqlite_url)
    made.fill(1, 250)
    return made


def jobs(daemon: Serving) -> dict[str, Job]:
    """The jobs of the state by name, ended ones too."""
    return {job.name: job for job in daemon.state.jobs.list(include_ended=True)}


def test_a_job_with_a_new_database_and_a_new_knowledge_base_runs_without_a_restart(world: World) -> None:
    more = f"sqlite:///{world.folder / 'more.db'}"
    execute(more, "CREATE TABLE u (id INTEGER PRIMARY KEY, body TEXT)", "INSERT INTO u VALUES (1, 'a green apple')")
    with serving(world) as daemon:
        assert daemon.first().status is RunStatus.COMPLETED
        second = f"  kb_two: {{type: chroma, path: {world.folder}/kb2, embedder: {{type: hashing}}}}\njobs:"
        world.rewrite(("knowledge_bases:", f"  more: {more}\nknowledge_bases:"), ("jobs:", second), ("server:", OTHER))
        until(lambda: "other" in jobs(daemon))
        run = daemon.first("other")
        assert (run.status, run.trigger, run.counts.embedded) == (RunStatus.COMPLETED, Trigger.SCHEDULE, 1)
        found = daemon.client.post("/v1/knowledge-bases/kb_two/search", json={"query": "green apple", "k": 1})
        assert "a green apple" in found.text


def test_an_invalid_file_changes_nothing_and_is_told_with_its_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(world) as daemon:
        before = jobs(daemon)
        world.rewrite(("filter_column: f", "filter_colum: f"))
        until(lambda: "the configuration is invalid" in caplog.text)
        line = next(n for n, text in enumerate(world.config.read_text().splitlines(), 1) if "filter_colum:" in text)
        assert f"{world.config}:{line}: " in caplog.text
        assert jobs(daemon) == before
        world.config.unlink()
        until(lambda: "does not exist" in caplog.text)
        assert jobs(daemon) == before
        assert daemon.run().status is RunStatus.COMPLETED


def test_a_job_that_leaves_is_ended_and_one_that_comes_back_goes_on(world: World) -> None:
    gate = Gate()
    with serving(world, lease_seconds=3, committed=gate) as daemon:
        assert gate.reached.wait(60)
        text = world.config.read_text()
        world.config.write_text(text.partition("jobs:")[0] + "server: {port: 0}\n")
        until(lambda: daemon.state.runs.list(status=RunStatus.CANCELING))
        wait_for_heartbeats(world, 2)
        assert jobs(daemon)["copy"].ended is not None
        gate.open()
        run = daemon.first()
        assert (run.status, run.error) == (RunStatus.CANCELED, "the run was canceled")
        until(lambda: 'job="copy"' not in daemon.client.get("/metrics").text)
        known = daemon.state.checkpoints.get(run.job_id)
        assert known is not None
        world.config.write_text(text)
        until(lambda: jobs(daemon)["copy"].ended is None)
        assert daemon.state.checkpoints.get(run.job_id) == known
        again = daemon.run()
        assert (again.status, again.counts.embedded) == (RunStatus.COMPLETED, 250 - run.counts.embedded)
        assert 'job="copy"' in daemon.client.get("/metrics").text
    world.assert_in_step()


def test_what_needs_a_restart_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with serving(world) as daemon:
        daemon.first()
        world.rewrite(("max_tokens: 16", "max_tokens: 32"), ("{port: 0}", "{port: 0}\nlimits: {max_concurrency: 7}"))
        until(lambda: "the configuration was read again" in caplog.text)
        assert "knowledge base kb_one is configured anew: restart to apply it" in caplog.text
        assert "limits is configured anew: restart to apply it" in caplog.text
        assert daemon.run().status is RunStatus.COMPLETED


def test_it_starts_with_a_broken_job_and_a_database_that_is_down_and_runs_the_rest(world: World) -> None:
    world.rewrite(
        ("databases:", "databases:\n  down: postgresql://reader:secret@127.0.0.1:1/x"), ("server:", BROKEN.lstrip("\n"))
    )
    with serving(world) as daemon:
        assert daemon.first().status is RunStatus.COMPLETED
        assert daemon.first("broken").status is RunStatus.FAILED
        far = daemon.first("far")
        assert (far.status, far.attempt) == (RunStatus.FAILED, 3)
        assert "did not answer" in str(far.error)
        known = jobs(daemon)
        assert known["far"].blocked is None
        assert "there is no table 'nowhere'" in str(known["broken"].blocked)
        assert known["broken"].status(now(), running=False) is JobStatus.BLOCKED
        told = {job["name"]: job["status"] for job in daemon.client.get("/v1/jobs").json()["data"]}
        assert told == {"broken": "blocked", "copy": "scheduled", "far": "scheduled"}
        world.execute("CREATE TABLE nowhere (id INTEGER PRIMARY KEY, f INTEGER, body TEXT)")
        assert daemon.run("broken").status is RunStatus.COMPLETED
        assert jobs(daemon)["broken"].blocked is None


def test_searches_are_answered_while_a_run_goes_on(world: World) -> None:
    gate = Gate()
    with serving(world, committed=gate) as daemon:
        assert gate.reached.wait(60)
        found = daemon.client.post("/v1/knowledge-bases/kb_one/search", json={"query": "anything", "k": 3})
        assert found.status_code == 200, found.text
        assert len(json.loads(found.text)["data"]) == 3
        [job] = daemon.client.get("/v1/jobs").json()["data"]
        assert job["status"] == "running"
        gate.open()
        assert daemon.first().counts.embedded == 250
    world.assert_in_step()
