"""The client lists, replays and discards dead letters, and approves sweeps, at a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.client import Client, Conflict, Invalid, NotFound
from tests.daemon import serving
from tests.world import World


def test_dead_letters_and_sweeps(tmp_path: Path, sqlite_url: str) -> None:
    world = World.make(tmp_path, sqlite_url)
    world.fill(1, 150)
    world.execute("UPDATE t SET body = CAST(x'ff' AS TEXT) WHERE id IN (2, 3, 4)")
    with serving(world) as daemon, Client(str(daemon.client.base_url)) as syncd:
        assert daemon.first().counts.dead_lettered == 3
        assert [letter["key"] for letter in syncd.jobs.dead_letters("copy")] == ["2", "3", "4"]
        [third] = syncd.jobs.dead_letters("copy", "3")
        assert (third["attempts"], third["first_seen"]) == (1, third["last_seen"])

        world.execute("UPDATE t SET body = 'mended ' || id WHERE id = 2")
        ended = syncd.runs.wait(syncd.jobs.replay("copy", ["2"])["id"], 60)
        assert (ended["status"], ended["replay"], ended["embedded"]) == ("completed", True, 1)
        assert syncd.runs.wait(syncd.jobs.replay("copy")["id"], 60)["dead_lettered"] == 2
        with pytest.raises(NotFound, match="no dead letter of these keys: 2"):
            syncd.jobs.replay("copy", ["2", "3"])
        with pytest.raises(NotFound, match="no dead letter of these keys: 2"):
            syncd.jobs.discard("copy", ["2", "3"])
        with pytest.raises(Invalid, match="key"):
            syncd.jobs.discard("copy", [])
        assert syncd.jobs.discard("copy", ["3", "4"]) == 2
        assert syncd.jobs.discard("copy", None) == 0

        with pytest.raises(Conflict, match="no sweep"):
            syncd.jobs.approve("copy")
        world.execute("DELETE FROM t WHERE id > 10")
        swept = syncd.runs.wait(syncd.jobs.trigger("copy", sweep=True)["id"], 60)
        assert (swept["status"], swept["sweep"], swept["deleted"]) == ("failed", True, 0)
        approved = syncd.jobs.approve("copy")
        assert approved["documents"] == 140
        assert syncd.runs.wait(approved["run"]["id"], 60)["deleted"] == 140
