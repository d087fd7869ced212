"""A knowledge base that was made through the API is one like any other: for jobs, reloads, restarts and commands."""

from __future__ import annotations

import json
from pathlib import Path

from syncd.model.job import Origin
from syncd.model.run import RunStatus
from tests.daemon import serving
from tests.waiting import until
from tests.world import World, now


def test_it_is_filled_searched_reloaded_and_known_to_commands(tmp_path: Path) -> None:
    world = World.make(tmp_path, f"sqlite:///{tmp_path}/source.db")
    world.fill(1, 5)
    with serving(world) as daemon:
        daemon.first()
        made = daemon.client.post("/v1/knowledge-bases", json={"name": "second", "like": "kb_one"})
        assert made.status_code == 201, made.text
        tables = daemon.client.get("/v1/databases/db/tables").json()["data"]
        assert tables == [{"schema": None, "name": "t", "kind": "table", "row_estimate": 5}]
        definition = daemon.state.jobs.get("copy").definition.model_copy(update={"kb_name": "second"})
        daemon.state.jobs.put("again", definition, Origin.API, now())
        assert daemon.run("again").status is RunStatus.COMPLETED
        world.rewrite(("interval: 1 DAY", "interval: 2 DAYS"))
        daemon.daemon.reload()
        until(lambda: daemon.state.jobs.get("copy").definition.interval == "2 DAYS")
        told = daemon.client.get("/v1/knowledge-bases/second").json()
        assert (told["origin"], told["chunks"], told["jobs"]) == ("api", 5, ["again"])
        assert daemon.client.delete("/v1/knowledge-bases/second").status_code == 409
    with serving(world) as daemon:
        told = daemon.client.get("/v1/knowledge-bases/second").json()
        assert told["chunks"] == 5, "the start opened it"
        question = {"query": "tag", "k": 2, "where": {"tag": "tag3"}}
        assert len(daemon.client.post("/v1/knowledge-bases/second/search", json=question).json()["data"]) == 1

    searched = world.run("search", "second", "tag", "-k", "3", "--json")
    assert len(json.loads(searched.stdout)) == 3, searched.stderr
    unknown = world.run("search", "secnod", "tag")
    assert (unknown.returncode, "did you mean second?" in unknown.stderr) == (2, True)
    world.fill(6, 7)
    synced = world.run("sync", "again", "--json")
    assert json.loads(synced.stdout)["embedded"] == 2, synced.stderr
    checked = world.run("check", "again", "--json")
    [job] = json.loads(checked.stdout)["jobs"]
    assert (job["ok"], job["knowledge_base"]["name"], job["knowledge_base"]["chunks"]) == (True, "second", 7)
    standing = {one["job"]: one for one in json.loads(world.run("status", "--json").stdout)}
    assert (standing["again"]["kb_name"], standing["again"]["rows_behind"]) == ("second", 0)
    deleted = world.run("jobs", "delete", "again", "--purge-documents")
    assert deleted.returncode == 0, deleted.stderr
    assert json.loads(world.run("search", "second", "tag", "--json").stdout) == []
