"""`syncd jobs create`, `pause`, `resume`, `trigger`, `cancel`, `delete` and `history`, beside a daemon and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.model.access import Scope
from syncd.model.job import Origin
from syncd.state import State
from tests.daemon import Serving, serving
from tests.engine import Gate
from tests.integration.cli.conftest import Call, Shop
from tests.waiting import until
from tests.world import TABLE, World, now

JOB = "{{source_table: {table}, kb_name: {kb}, content_columns: [{column}], filter_column: {at}, interval: 1 DAY}}"
ITEMS = (
    *("--name", "items", "--table", "shop.items", "--knowledge-base", "goods", "--column", "product"),
    *("--filter-column", "updated_at", "--interval", "1 DAY"),
)


def of(call: Call, *arguments: str) -> Any:
    """Return what a command that must succeed tells programs."""
    done = call(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def add_items(shop: Shop) -> None:
    """Add a second table to the shop."""
    shop.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, product TEXT, updated_at TIMESTAMP)")
    shop.execute("INSERT INTO items VALUES (?, ?, ?)", *((n, f"item {n}", "2026-01-01 00:00:00") for n in range(5)))


def test_without_a_daemon_a_job_lives_in_the_state(shop: Shop, call: Call) -> None:
    add_items(shop)
    made = call("jobs", "create", *ITEMS)
    assert (made.returncode, made.stdout) == (0, "items: shop.items into goods, every 1 DAY\n")
    assert [(job["job"], job["origin"]) for job in of(call, "jobs")] == [("items", "api"), ("orders", "file")]

    assert of(call, "jobs", "pause", "items")["paused"] is True
    refused = call("jobs", "trigger", "items")
    assert refused.returncode == 2
    assert "is paused" in refused.stderr
    assert of(call, "jobs", "resume", "items")["paused"] is False

    assert of(call, "jobs", "history", "items") == []
    asked = call("jobs", "trigger", "items", "--dry-run")
    assert (asked.returncode, asked.stdout) == (0, "run_1 of items is queued\n")
    assert "`syncd sync items` runs it now" in asked.stderr
    assert [run["run_id"] for run in of(call, "jobs", "history", "items")] == ["run_1"]

    live = call("jobs", "delete", "items")
    assert live.returncode == 2
    assert "has live runs: run_1" in live.stderr
    assert [run["status"] for run in of(call, "jobs", "cancel", "items")] == ["canceled"]
    assert call("jobs", "delete", "items").returncode == 0
    assert [job["job"] for job in of(call, "jobs")] == ["orders"]


def test_each_job_of_a_file_is_added_by_itself(shop: Shop, call: Call) -> None:
    add_items(shop)
    good = JOB.format(table="shop.items", kb="goods", column="product", at="updated_at")
    text = f"jobs:\n  items: {good}\n  lost: {good.replace('items', 'nothing')}\n  orders: {good}\n"
    (shop.folder / "more.yaml").write_text(text)
    done = call("jobs", "create", "more.yaml", "--json")
    assert done.returncode == 2
    assert [job["job"] for job in json.loads(done.stdout)] == ["items"]
    lost, taken = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert lost.startswith("error: lost: source_table:")
    assert "'orders' already exists, defined by syncd.yaml:" in taken


def test_a_job_of_the_configuration_is_paused_but_not_deleted(shop: Shop, call: Call) -> None:
    assert call("jobs", "pause", "orders").stdout == "orders is paused, until `syncd jobs resume orders`\n"
    assert of(call, "status")[0]["status"] == "paused"
    done = call("jobs", "delete", "orders")
    assert done.returncode == 2
    assert "syncd.yaml:" in done.stderr
    assert call("jobs", "resume", "orders").stdout == "orders runs again, every 7 DAYS\n"
    assert call("jobs", "cancel", "orders").stderr == "orders has no run that waits or goes on\n"


@pytest.mark.parametrize("command", ["pause", "resume", "trigger", "cancel", "delete", "history"])
def test_a_name_that_is_close_is_offered(shop: Shop, call: Call, command: str) -> None:
    done = call("jobs", command, "ordres")
    assert done.returncode == 2
    assert "did you mean orders?" in done.stderr


def test_what_was_synced_is_removed_with_its_job(shop: Shop, call: Call) -> None:
    add_items(shop)
    assert call("jobs", "create", *ITEMS).returncode == 0
    assert call("jobs", "trigger", "items", "--full", "--json").returncode == 0
    run = shop.json("sync", "items")
    assert (run["run_id"], run["embedded"]) == ("run_1", 5)
    assert len(of(call, "search", "goods", "item")) == 5
    assert call("jobs", "delete", "items", "--purge-documents").returncode == 0
    assert of(call, "search", "goods", "item") == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A daemon inside this process; tests that share it leave it as they found it."""
    folder = tmp_path_factory.mktemp("served")
    world = World.make(folder, f"sqlite:///{folder / 'source.db'}")
    world.fill(1, 30)
    world.execute(TABLE.replace("TABLE t", "TABLE made"))
    world.execute("INSERT INTO made (id, f, body) VALUES (1, 1, 'one')")
    with serving(world) as daemon:
        assert daemon.first().status == "completed"
        yield daemon


def test_beside_a_daemon_the_daemon_follows_at_once(served: Serving, call: Call, tmp_path: Path) -> None:
    config = ("--config", str(served.world.config))
    made = JOB.format(table="db.made", kb="kb_one", column="body", at="f")
    (tmp_path / "made.yaml").write_text(f"jobs:\n  made: {made}\n  copy: {made}\n")
    done = call("jobs", "create", str(tmp_path / "made.yaml"), *config, "--json")
    assert done.returncode == 2
    assert [job["job"] for job in json.loads(done.stdout)] == ["made"]
    assert "error: copy: " in done.stderr
    assert served.first("made").counts.embedded == 1

    assert of(call, "jobs", *config, "pause", "made")["paused"] is True
    refused = call("jobs", "trigger", "made", *config)
    assert refused.returncode == 2
    assert "is paused" in refused.stderr
    assert of(call, "jobs", "resume", "made", *config)["paused"] is False
    [run] = of(call, "jobs", "history", "made", *config)
    assert (run["status"], run["trigger"]) == ("completed", "schedule")
    assert call("jobs", "delete", "made", "--cancel", "--purge-documents", *config).returncode == 0
    found = of(call, "search", "kb_one", "one", "-k", "100", *config)
    assert {match["id"].partition(":")[0] for match in found} == {"db.t"}
    assert call("jobs", "pause", "made", *config).returncode == 2


def test_a_run_is_only_asked_for_where_nobody_wants_to_wait(served: Serving, call: Call) -> None:
    config = ("--config", str(served.world.config))
    asked = of(call, "jobs", "trigger", "copy", "--no-wait", "--idempotency-key", "k", *config)
    assert asked["trigger"] == "api"
    assert (
        of(call, "jobs", "trigger", "copy", "--no-wait", "--idempotency-key", "k", *config)["run_id"] == asked["run_id"]
    )
    until(lambda: not served.state.runs.get(int(asked["run_id"][4:])).status.live)
    wrong = call("jobs", "trigger", "copy", "--variable", "region=EU", *config)
    assert wrong.returncode == 2
    assert "variables.region" in wrong.stderr


def test_a_run_is_followed_to_its_end(served: Serving) -> None:
    told = served.world.run("jobs", "trigger", "copy", "--full", "--json")
    assert told.returncode == 0, told.stderr
    run = json.loads(told.stdout)
    assert (run["status"], run["trigger"], run["unchanged"]) == ("completed", "api", 30)


def test_who_needs_a_token_is_told_how_to_make_one(
    served: Serving, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ("--config", str(served.world.config))
    token, secret = served.state.tokens.create("writer", [Scope.JOBS_WRITE], now())
    without = call("jobs", "pause", "copy", *config)
    assert without.returncode == 2
    assert "asks for a token" in without.stderr
    assert "put one into SYNCD_TOKEN; `syncd tokens create NAME --scope jobs:write` prints one" in without.stderr
    monkeypatch.setenv("SYNCD_TOKEN", secret)
    assert call("jobs", "pause", "copy", *config).returncode == 0
    assert call("jobs", "resume", "copy", *config).returncode == 0
    beyond = call("jobs", "trigger", "copy", *config)
    assert beyond.returncode == 2
    assert "the token lacks jobs:trigger" in beyond.stderr
    for wrong in (secret[:-1], "not a token"):
        monkeypatch.setenv("SYNCD_TOKEN", wrong)
        done = call("jobs", "pause", "copy", *config)
        assert done.returncode == 2
        assert "SYNCD_TOKEN" in done.stderr
        assert wrong not in done.stderr
    served.state.tokens.revoke(token.number, now())


def test_ctrl_c_leaves_the_run_going(tmp_path: Path) -> None:
    world = World.make(tmp_path, f"sqlite:///{tmp_path / 'source.db'}", window_rows=10)
    world.fill(1, 30)
    gate = Gate()
    with serving(world, committed=gate) as daemon:
        assert gate.reached.wait(60)
        with Shop(tmp_path).started("jobs", "trigger", "copy") as command:
            command.wait_for("run_2 of copy is asked for")
            command.interrupt()
            said = command.wait_for("goes on in the daemon")
            assert "`syncd jobs cancel copy` ends it" in said
            assert command.end()[0] == 130
        assert daemon.state.runs.get(2).status.live
        gate.open()
        until(lambda: not daemon.state.runs.get(2).status.live)


def test_a_daemon_that_no_lock_tells_of_follows_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.daemon.REPEAT_SECONDS", 0.05)
    world = World.make(tmp_path, f"sqlite:///{tmp_path / 'source.db'}")
    world.execute(TABLE.replace("TABLE t", "TABLE made"))
    with serving(world) as daemon:
        state = State.open(world.state_url)
        copy = state.jobs.get("copy")
        fields = {"source_table": "db.made"}
        state.jobs.put("made", copy.definition.model_copy(update=fields), Origin.API, now())
        state.close()
        assert daemon.first("made").status == "completed"
